//! Reads the duration of an MPEG program stream (MPG) from its pictures: all of them are counted.
//!
//! The stream has no header with its length, and its time stamps may begin anywhere and start over in the middle. So every
//! packet of the first video stream is read. Only start codes and the few bytes behind them are looked at.

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

use crate::media::bounded_reader::BoundedReader;

/// Frames per second, as a fraction.
const FRAME_RATES: [(u32, u32); 8] =
    [(24_000, 1001), (24, 1), (25, 1), (30_000, 1001), (30, 1), (50, 1), (60_000, 1001), (60, 1)];

/// The duration in seconds; `None` when the file is no program stream to its end.
pub(super) fn seconds<S: Read + Seek>(mut source: BoundedReader<S>) -> Option<f64> {
    source.seek(SeekFrom::Start(0)).ok()?;
    let mut source = BufReader::with_capacity(64 << 10, source);
    let (mut video, mut stream) = (Video::default(), None);
    while let Some(code) = next_packet(&mut source)? {
        match code {
            0xBA => skip_pack_header(&mut source)?,
            // The end of a program, behind which another one may begin.
            0xB9 => {}
            0xBB.. => {
                let mut packet = vec![0; u16::from_be_bytes(array(&mut source)?).into()];
                source.read_exact(&mut packet).ok()?;
                if matches!(code, 0xE0..=0xEF) && *stream.get_or_insert(code) == code {
                    video.read(packet.get(payload_start(&packet)?..)?);
                }
            }
            _ => return None,
        }
    }
    video.seconds()
}

fn array<const N: usize>(source: &mut impl Read) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes).ok().map(|()| bytes)
}

/// The code of the next packet, `None` inside at the end of the file, and `None` where no packet begins. Zeros may be before a
/// packet and behind the last one.
#[expect(clippy::option_option, reason = "the end of the file is no fault")]
fn next_packet(source: &mut impl BufRead) -> Option<Option<u8>> {
    let mut zeros = 0;
    loop {
        let Some(byte) = source.fill_buf().ok()?.first().copied() else { return Some(None) };
        source.consume(1);
        match byte {
            0 => zeros += 1,
            1 if zeros >= 2 => return array(source).map(|[code]| Some(code)),
            _ => return None,
        }
    }
}

fn skip_pack_header(source: &mut impl Read) -> Option<()> {
    let [first, ..] = array::<8>(source)?;
    if first >> 6 != 1 {
        return Some(());
    }
    let [_, stuffing] = array::<2>(source)?;
    let stuffing = u64::from(stuffing & 7);
    (std::io::copy(&mut source.take(stuffing), &mut std::io::sink()).ok()? == stuffing).then_some(())
}

/// Where the video begins in a packet, behind the time stamps.
fn payload_start(packet: &[u8]) -> Option<usize> {
    if packet.first()? >> 6 == 2 {
        return Some(3 + usize::from(*packet.get(2)?));
    }
    // MPEG-1: stuffing, the size of a buffer, time stamps.
    let mut at = packet.iter().position(|byte| *byte != 0xFF)?;
    if packet[at] >> 6 == 1 {
        at += 2;
    }
    Some(
        at + match packet.get(at)? >> 4 {
            2 => 5,
            3 => 10,
            _ => 1,
        },
    )
}

/// What is known of a video stream.
#[derive(Default)]
struct Video {
    /// The last four bytes.
    window: u32,
    /// A start code whose bytes are still read.
    open: Option<(u8, Vec<u8>)>,
    /// As the sequence header gives it.
    frame_rate: Option<(u32, u32)>,
    /// What the extension of the sequence multiplies the frame rate by, as a fraction. The last extension counts.
    rate_factor: Option<(u32, u32)>,
    is_progressive: bool,
    /// In half frames: a picture may be one field, or a field may be shown twice.
    fields: u64,
}

impl Video {
    /// Reads the next bytes of the stream.
    fn read(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.window = self.window << 8 | u32::from(*byte);
            if let Some((_, content)) = &mut self.open {
                content.push(*byte);
                if content.len() == 6 {
                    self.close();
                }
            }
            if self.window >> 8 == 1 {
                self.close();
                self.open = Some((*byte, Vec::with_capacity(6)));
            }
        }
    }

    fn close(&mut self) {
        match self.open.take() {
            Some((0x00, _)) => self.fields += 2,
            Some((0xB3, content)) => {
                let index = content.get(3).map_or(0, |byte| usize::from(byte & 0xF));
                self.frame_rate = index.checked_sub(1).and_then(|index| FRAME_RATES.get(index)).copied();
                self.rate_factor = None;
            }
            Some((0xB5, content)) => self.extend(&content),
            _ => {}
        }
    }

    fn extend(&mut self, content: &[u8]) {
        match *content {
            // Of a sequence.
            [first, second, _, _, _, rate] if first >> 4 == 1 => {
                self.is_progressive = second & 8 != 0;
                self.rate_factor = Some((u32::from(rate >> 5 & 3) + 1, u32::from(rate & 0x1F) + 1));
            }
            // Of the picture that was counted just now.
            [first, _, third, flags, ..] if first >> 4 == 8 => {
                let (is_field, repeats) = (third & 3 != 3, flags & 2 != 0);
                self.fields = match (is_field, repeats, self.is_progressive) {
                    (true, ..) => self.fields.saturating_sub(1),
                    (_, true, false) => self.fields + 1,
                    // A whole frame is shown again, or two where the top field is first.
                    (_, true, true) => self.fields + if flags & 0x80 == 0 { 2 } else { 4 },
                    _ => self.fields,
                };
            }
            _ => {}
        }
    }

    fn seconds(mut self) -> Option<f64> {
        self.close();
        let (frames, seconds) = self.frame_rate?;
        let (factor, divisor) = self.rate_factor.unwrap_or((1, 1));
        #[expect(clippy::cast_precision_loss, reason = "a file that is read has fewer than 2^52 pictures")]
        Some(self.fields as f64 / 2.0 * f64::from(seconds * divisor) / f64::from(frames * factor))
    }
}

#[cfg(test)]
mod tests {
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
}
