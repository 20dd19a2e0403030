//! What a file is: its media type, its duration, its bytes in a `data:` URI. Decides on bytes that it is given; opens no file.

pub(crate) mod data_uri;
pub(crate) mod duration;
pub(crate) mod media_type;
