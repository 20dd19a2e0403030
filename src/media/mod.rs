//! Facts about media: the type and duration of a file, and the bytes of a `data:` URI. Works on bytes and readers; opens no
//! file.

pub(crate) mod data_uri;
pub(crate) mod duration;
pub(crate) mod media_type;
