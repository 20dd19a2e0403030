//! Facts about media: the type and duration of a file, whether it is cut, and the bytes of a `data:` URI. Works on bytes and
//! readers; opens no file.

mod bounded_reader;
pub(crate) mod data_uri;
pub(crate) mod duration;
mod id3;
pub(crate) mod media_type;
pub(crate) mod truncation;
