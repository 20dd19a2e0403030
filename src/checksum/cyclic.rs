//! Cyclic redundancy checks: the only door to the `crc` crate.
//!
//! They tell a slip from the truth, not a forgery; good enough for what they are here for. Sixteen
//! tables each, because one alone is slower than SHA-256.

use std::io::{self, Read};

use crc::{CRC_32_ISCSI, CRC_32_ISO_HDLC, CRC_64_NVME, CRC_64_XZ, Crc, Table};

use crate::digest::read_through;

/// The checks that hosts use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Code {
    Crc64Xz,
    Crc64Nvme,
    Crc32c,
    Crc32,
}

static XZ: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_XZ);
static NVME: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_NVME);
static ISCSI: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);
static ISO_HDLC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC);

/// The check value of all of a reader, its highest byte first.
pub(super) fn of(code: Code, reader: impl Read) -> io::Result<Vec<u8>> {
    match code {
        Code::Crc64Xz => long(&XZ, reader),
        Code::Crc64Nvme => long(&NVME, reader),
        Code::Crc32c => short(&ISCSI, reader),
        Code::Crc32 => short(&ISO_HDLC, reader),
    }
}

fn long(crc: &'static Crc<u64, Table<16>>, reader: impl Read) -> io::Result<Vec<u8>> {
    let mut digest = crc.digest();
    read_through(reader, |bytes| digest.update(bytes))?;
    Ok(digest.finalize().to_be_bytes().to_vec())
}

fn short(crc: &'static Crc<u32, Table<16>>, reader: impl Read) -> io::Result<Vec<u8>> {
    let mut digest = crc.digest();
    read_through(reader, |bytes| digest.update(bytes))?;
    Ok(digest.finalize().to_be_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECKS: [(Code, &[u8]); 4] = [
        (Code::Crc64Xz, &0x995d_c9bb_df19_39fa_u64.to_be_bytes()),
        (Code::Crc64Nvme, &0xae8b_1486_0a79_9888_u64.to_be_bytes()),
        (Code::Crc32c, &0xe306_9283_u32.to_be_bytes()),
        (Code::Crc32, &0xcbf4_3926_u32.to_be_bytes()),
    ];

    #[test]
    fn every_code_gives_the_check_value_of_the_catalogue() {
        for (code, value) in CHECKS {
            assert_eq!(of(code, &b"123456789"[..]).unwrap(), value, "{code:?}");
        }
    }

    #[test]
    fn it_does_not_matter_in_which_pieces_the_bytes_come() {
        let bytes: Vec<u8> = (0..600_001_u32).map(|n| (n % 251) as u8).collect();
        for (code, _) in CHECKS {
            let whole = of(code, &bytes[..]).unwrap();
            for cut in [0, 1, 15, 16, 17, 300_000] {
                let (first, second) = bytes.split_at(cut);
                assert_eq!(of(code, first.chain(second)).unwrap(), whole, "{code:?} cut at {cut}");
            }
        }
    }
}
