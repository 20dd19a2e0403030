//! The format of AAC as its `AudioSpecificConfig` gives it (ISO/IEC 14496-3), bit by bit.
//!
//! AAC at half the rate with spectral band replication (HE-AAC) is announced in one of two ways; an encoder may also leave it
//! out, and then the rate is the half one. Parametric stereo makes two channels of one.

use super::AudioFormat;

const RATES: [u32; 13] = [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];

/// Object types: spectral band replication, the layers of MPEG-1, lossless audio, and parametric stereo.
const SBR: u32 = 5;
const LAYER_3: u32 = 34;
const LOSSLESS: u32 = 36;
const PARAMETRIC_STEREO: u32 = 29;

/// Parses an `AudioSpecificConfig`.
pub(super) fn parse(config: &[u8]) -> Option<AudioFormat> {
    let mut bits = Bits { bytes: config, position: 0 };
    let mut object_type = bits.object_type()?;
    let mut rate = bits.rate()?;
    let configuration = bits.take(4)?;
    let has_parametric_stereo = object_type == PARAMETRIC_STEREO;
    let is_announced = has_parametric_stereo || object_type == SBR;
    if is_announced {
        rate = bits.rate()?;
        object_type = bits.object_type()?;
    }
    let codec = match object_type {
        LAYER_3 => "mp3",
        LOSSLESS => "mp4als",
        32 | 33 => return None,
        _ => "aac",
    };
    let mut channels = match configuration {
        1..=6 => configuration,
        7 | 12 | 14 => 8,
        11 => 7,
        _ => 0,
    };
    // General audio has a configuration of its own, behind which older readers do not look.
    let mut mono_is_stereo = has_parametric_stereo;
    if matches!(object_type, 1..=4 | 6 | 7)
        && let Some(listed) = bits.general_audio(configuration == 0)
    {
        channels = if configuration == 0 { listed } else { channels };
        if !is_announced && let Some((extended, has_stereo)) = bits.sync_extension() {
            rate = extended.unwrap_or(rate);
            mono_is_stereo |= has_stereo;
        }
    }
    Some(AudioFormat::new(Some(codec), rate, if mono_is_stereo && channels == 1 { 2 } else { channels }))
}

struct Bits<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Option<u32> {
        let mut number = 0;
        for _ in 0..count {
            let byte = *self.bytes.get(self.position / 8)?;
            number = number << 1 | u32::from(byte >> (7 - self.position % 8) & 1);
            self.position += 1;
        }
        Some(number)
    }

    fn object_type(&mut self) -> Option<u32> {
        match self.take(5)? {
            31 => Some(32 + self.take(6)?),
            number => Some(number),
        }
    }

    fn rate(&mut self) -> Option<u32> {
        match self.take(4)? {
            15 => self.take(24),
            index => RATES.get(usize::try_from(index).ok()?).copied(),
        }
    }

    /// Reads the configuration of general audio. Returns the number of channels that it lists, if it has a list.
    fn general_audio(&mut self, has_list: bool) -> Option<u32> {
        self.take(1)?;
        if self.take(1)? == 1 {
            self.take(14)?;
        }
        let is_extended = self.take(1)? == 1;
        let channels = if has_list { self.channel_list()? } else { 0 };
        if is_extended {
            self.take(1)?;
        }
        Some(channels)
    }

    /// The number of channels in a list of elements, some of which are pairs.
    fn channel_list(&mut self) -> Option<u32> {
        self.take(10)?;
        let elements = self.take(4)? + self.take(4)? + self.take(4)?;
        let (low_frequency, associated, coupled) = (self.take(2)?, self.take(3)?, self.take(4)?);
        for size in [4, 4, 3] {
            if self.take(1)? == 1 {
                self.take(size)?;
            }
        }
        let mut channels = low_frequency;
        for _ in 0..elements {
            channels += 1 + self.take(1)?;
            self.take(4)?;
        }
        for (count, size) in [(low_frequency, 4), (associated, 4), (coupled, 5)] {
            for _ in 0..count {
                self.take(size)?;
            }
        }
        // A comment follows at the next whole byte.
        self.position = self.position.next_multiple_of(8);
        let comment = self.take(8)?;
        for _ in 0..comment {
            self.take(8)?;
        }
        Some(channels)
    }

    /// The rate and whether there is parametric stereo, in what old readers do not look at.
    fn sync_extension(&mut self) -> Option<(Option<u32>, bool)> {
        if self.take(11)? != 0x2B7 || self.object_type()? != SBR || self.take(1)? == 0 {
            return None;
        }
        let rate = self.rate()?;
        let has_stereo = self.take(11) == Some(0x548) && self.take(1) == Some(1);
        Some((Some(rate), has_stereo))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(config: &[u8]) -> Option<(Option<&'static str>, Option<u32>, Option<u32>)> {
        parse(config).map(|found| (found.codec, found.sample_rate, found.channels))
    }

    #[test]
    fn rate_and_channels_are_read_from_the_configuration() {
        let aac = |rate, channels| Some((Some("aac"), Some(rate), Some(channels)));
        for (config, expected) in [
            (b"\x12\x10".as_slice(), aac(44_100, 2)),
            (b"\x13\x88\x56\xE5\0", aac(22_050, 1)),
            (b"\x11\xB0", aac(48_000, 6)),
            // HE-AAC, announced in front and behind; with parametric stereo.
            (b"\x2B\x92\x08\0", aac(44_100, 2)),
            (b"\x13\x90\x56\xE5\xA0", aac(44_100, 2)),
            (b"\xEB\x8A\x08\0", aac(44_100, 2)),
            (b"\x13\x88\x56\xE5\xA5\x48\x80", aac(44_100, 2)),
            (b"", None),
            (b"\x12", None),
        ] {
            assert_eq!(format(config), expected, "{}", config.escape_ascii());
        }
    }

    #[test]
    fn channels_are_counted_in_a_list_of_elements() {
        // Two elements in front, one of which is a pair, a pair behind, and one for low frequencies.
        let bits = "00010 0011 0000 000 0000010011 0010 0000 0001 01 000 0000 000 00000 10000 10000 0000";
        let bits: Vec<u8> = bits.bytes().filter(|digit| *digit != b' ').map(|digit| digit - b'0').collect();
        let byte = |bits: &[u8]| (0..8).fold(0, |byte, at| byte << 1 | bits.get(at).copied().unwrap_or(0));
        let config: Vec<u8> = bits.chunks(8).map(byte).chain([0]).collect();
        assert_eq!(format(&config), Some((Some("aac"), Some(48_000), Some(6))));
        assert_eq!(format(&config[..6]), Some((Some("aac"), Some(48_000), None)), "the list is cut");
    }
}
