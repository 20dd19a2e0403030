use std::io::Cursor;

use super::*;

const PACK: &[u8] = b"\0\0\x01\xBA\x44\0\x04\0\x04\x01\0\x01\x03\xF8";
const OLD_PACK: &[u8] = b"\0\0\x01\xBA\x21\0\x01\0\x01\x80\0\x01";
/// 25 frames per second.
const SEQUENCE: &[u8] = b"\0\0\x01\xB3\x10\x00\xF0\x13\xFF\xFF\xE0\x18";
const PICTURE: &[u8] = b"\0\0\x01\0\0\x0F\xFF\xF8\0\0\x01\x01slice";

fn packet(code: u8, head: &[u8], body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(head.len() + body.len()).unwrap().to_be_bytes();
    [b"\0\0\x01".as_slice(), &[code], &length, head, body].concat()
}

/// A packet of video.
fn video(body: &[u8]) -> Vec<u8> {
    packet(0xE0, b"\x80\x80\x05\x21\0\x01\0\x01", body)
}

/// The extension of a picture: its structure and its flags.
fn picture(structure: u8, flags: u8) -> Vec<u8> {
    [b"\0\0\x01\0\0\x0F\xFF\xF8\0\0\x01\xB5\x8F\xFF".as_slice(), &[0xF0 | structure, flags, 0, 0]].concat()
}

fn seconds_of(parts: &[&[u8]]) -> Option<f64> {
    let file = parts.concat();
    let end = file.len() as u64;
    seconds(BoundedReader::new(Cursor::new(file), 0..end, 1 << 20))
}

#[test]
fn pictures_are_counted() {
    let (first, more) = (video(&[SEQUENCE, PICTURE].concat()), video(&PICTURE.repeat(24)));
    let audio = packet(0xC0, b"\x80\0\0", &PICTURE.repeat(9));
    let other = packet(0xE1, b"\x80\0\0", &PICTURE.repeat(9));
    let end = b"\0\0\x01\xB9".as_slice();
    for parts in [
        [PACK, &first, PACK, &more, end].as_slice(),
        &[PACK, &first, PACK, &audio, &more, &other],
        &[PACK, &first, &more, end, &[0; 100]],
        &[OLD_PACK, &packet(0xE0, b"\xFF\xFF\x40\x20\x21\0\x01\0\x01", &[SEQUENCE, &PICTURE.repeat(25)].concat())],
        &[OLD_PACK, &packet(0xE0, b"\x31\0\x01\0\x01\x11\0\x01\0\x01", &[SEQUENCE, &PICTURE.repeat(25)].concat())],
        &[OLD_PACK, &packet(0xE0, b"\x0F", &[SEQUENCE, &PICTURE.repeat(25)].concat())],
    ] {
        assert_eq!(seconds_of(parts), Some(1.0));
    }
    let split: Vec<u8> = [SEQUENCE, &PICTURE.repeat(25)].concat().chunks(3).flat_map(video).collect();
    assert_eq!(seconds_of(&[PACK, &split]), Some(1.0), "start codes across packets");
    let joined = [PACK, &first, &more, end].concat();
    assert_eq!(seconds_of(&[&joined, &joined]), Some(2.0));
}

#[test]
fn fields_and_repeated_frames_count() {
    let sequence = |flags: u8, rate: u8| [SEQUENCE, b"\0\0\x01\xB5\x14", &[0x80 | flags, 0, 1, 0, rate]].concat();
    let repeated_extensions = [SEQUENCE, &b"\0\0\x01\xB5\x1A\x88\0\x01\0\x7F".repeat(40)].concat();
    for (extension, pictures, expected) in [
        (sequence(0, 0), picture(3, 0).repeat(25), 1.0),
        (sequence(0, 0), picture(1, 0).repeat(25), 0.5),
        (sequence(0, 0), picture(3, 2).repeat(20), 1.2),
        (sequence(8, 0), picture(3, 2).repeat(20), 1.6),
        (sequence(8, 0), picture(3, 0x82).repeat(20), 2.4),
        (sequence(8, 0x20), picture(3, 0).repeat(25), 0.5),
        (sequence(8, 0x01), picture(3, 0).repeat(25), 2.0),
        (repeated_extensions, picture(3, 0).repeat(25), 8.0),
    ] {
        let found = seconds_of(&[PACK, &video(&[extension, pictures].concat())]).unwrap();
        assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");
    }
}

#[test]
fn anything_but_packets_makes_it_unknown() {
    let whole = [PACK, &video(&[SEQUENCE, &PICTURE.repeat(25)].concat())].concat();
    assert_eq!(seconds_of(&[&whole, b"text"]), None);
    assert_eq!(seconds_of(&[PACK, &video(&PICTURE.repeat(25))]), None, "without a frame rate");
    assert_eq!(seconds_of(&[PACK, &video(&[&SEQUENCE[..7], &[0x1F; 5]].concat())]), None, "an unknown frame rate");
    assert_eq!(seconds_of(&[b"\0\0\x01\xB3", &[7; 100]]), None);
    for length in 0..whole.len() {
        assert_eq!(seconds_of(&[&whole[..length]]).filter(|found| *found > 0.0), None, "{length}");
    }
}
