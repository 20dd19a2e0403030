//! Bodies that are encoded, truncated or not what they say.

use super::*;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

fn decoded(coding: ContentCoding, body: &[u8], step: usize) -> Result<Vec<u8>, DecodeError> {
    let mut decoder = Decoder::new(Vec::new(), coding);
    for piece in body.chunks(step) {
        decoder = decoder.write(piece)?;
    }
    decoder.finish()
}

fn media() -> Vec<u8> {
    (0..20_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect()
}

fn bodies() -> [(ContentCoding, Vec<u8>); 3] {
    let (mut gzip, mut zlib, mut raw) = (
        GzEncoder::new(Vec::new(), Compression::fast()),
        ZlibEncoder::new(Vec::new(), Compression::fast()),
        DeflateEncoder::new(Vec::new(), Compression::fast()),
    );
    gzip.write_all(&media()).unwrap();
    zlib.write_all(&media()).unwrap();
    raw.write_all(&media()).unwrap();
    [
        (ContentCoding::Gzip, gzip.finish().unwrap()),
        (ContentCoding::Deflate, zlib.finish().unwrap()),
        (ContentCoding::Deflate, raw.finish().unwrap()),
    ]
}

#[test]
fn every_supported_encoding_is_decoded() {
    for (coding, body) in bodies() {
        for step in [1, 7, 4096, usize::MAX] {
            assert_eq!(decoded(coding, &body, step.min(body.len())).unwrap(), media(), "{coding:?} by {step}");
        }
    }
    assert_eq!(decoded(ContentCoding::Identity, b"abc", 1).unwrap(), b"abc");
    assert_eq!(decoded(ContentCoding::Gzip, b"not gzip at all", 4).unwrap(), b"not gzip at all");
    assert_eq!(decoded(ContentCoding::Gzip, b"", 1).unwrap(), b"");
    assert_eq!(decoded(ContentCoding::Deflate, b"x", 1).unwrap(), b"x");
}

#[test]
fn truncated_encoded_stream_is_an_error() {
    for (coding, body) in bodies() {
        for cut in [body.len() / 2, body.len() - 1] {
            let result = decoded(coding, &body[..cut], 512);
            assert!(matches!(result, Err(DecodeError::Encoding(_))), "{coding:?} {cut}");
        }
    }
    let (coding, gzip) = &bodies()[0];
    let two = [&gzip[..], &gzip[..gzip.len() - 1]].concat();
    assert!(matches!(decoded(*coding, &two, 512), Err(DecodeError::Encoding(_))), "the second member");
}

#[test]
fn padding_behind_an_encoded_stream_is_ignored() {
    for (coding, body) in bodies() {
        for padding in [&[0; 1000][..], b"rubbish", &[0x1f], &[0x1f, 0], b"\n"] {
            let padded = [&body[..], padding].concat();
            for step in [1, 7, padded.len() - 1, padded.len()] {
                assert_eq!(decoded(coding, &padded, step).unwrap(), media(), "{coding:?} {padding:?} by {step}");
            }
        }
    }
    let (coding, gzip) = &bodies()[0];
    let two = [&gzip[..], gzip, &[0; 9]].concat();
    for step in [1, 4096, two.len()] {
        assert_eq!(decoded(*coding, &two, step).unwrap(), [media(), media()].concat(), "two members by {step}");
    }
}

#[test]
fn wrong_check_value_is_an_error_before_padding() {
    for (coding, mut body) in bodies().into_iter().take(2) {
        let last = body.len() - 1;
        body[last] ^= 1;
        body.extend([0; 20]);
        assert!(matches!(decoded(coding, &body, 512), Err(DecodeError::Encoding(_))), "{coding:?}");
    }
}

#[test]
fn base64_is_refused_only_where_the_bytes_are_base64() {
    for plain in [&b"\x89PNG\r\n\x1a\n"[..], b"ID3\x04\0", b"RIFF0000WEBPVP8 ", &[0; 200], b""] {
        for step in [1, 200] {
            assert_eq!(decoded(ContentCoding::Base64, plain, step).unwrap(), plain);
        }
    }
    for text in ["iVBORw0KGgo=".to_owned(), "QUJD\r\n".repeat(50)] {
        assert!(matches!(decoded(ContentCoding::Base64, text.as_bytes(), 3), Err(DecodeError::Base64)), "{text}");
    }
}

/// A destination that is full from the start.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::InvalidData.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn error_of_the_destination_is_not_an_error_of_the_encoding() {
    for (coding, body) in
        bodies().into_iter().chain([(ContentCoding::Identity, vec![0; 100]), (ContentCoding::Base64, vec![0; 100])])
    {
        let result = Decoder::new(Full, coding).write(&body).and_then(Decoder::finish);
        assert!(matches!(result, Err(DecodeError::Destination(_))), "{coding:?}");
    }
}
