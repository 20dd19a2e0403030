//! Computes cyclic redundancy checks; only this module uses the `crc` crate.
//!
//! A CRC detects accidents, not forgeries; accidents are what the digests of hosts are for. Each CRC uses sixteen tables,
//! because with one it is slower than SHA-256.
//!
//! Each function returns the check value of a whole reader, with the highest byte first.

use std::io::{self, Read};

use crc::{CRC_32_ISCSI, CRC_32_ISO_HDLC, CRC_64_NVME, CRC_64_XZ, Crc, Table};

use crate::integrity::digest::for_each_chunk;

static XZ: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_XZ);
static NVME: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_NVME);
static ISCSI: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);
static ISO_HDLC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC);

pub(super) fn crc64_xz(reader: impl Read) -> io::Result<Vec<u8>> {
    compute_u64(&XZ, reader)
}

pub(super) fn crc64_nvme(reader: impl Read) -> io::Result<Vec<u8>> {
    compute_u64(&NVME, reader)
}

pub(super) fn crc32c(reader: impl Read) -> io::Result<Vec<u8>> {
    compute_u32(&ISCSI, reader)
}

pub(super) fn crc32(reader: impl Read) -> io::Result<Vec<u8>> {
    compute_u32(&ISO_HDLC, reader)
}

fn compute_u64(crc: &'static Crc<u64, Table<16>>, reader: impl Read) -> io::Result<Vec<u8>> {
    let mut digest = crc.digest();
    for_each_chunk(reader, |bytes| digest.update(bytes))?;
    Ok(digest.finalize().to_be_bytes().to_vec())
}

fn compute_u32(crc: &'static Crc<u32, Table<16>>, reader: impl Read) -> io::Result<Vec<u8>> {
    let mut digest = crc.digest();
    for_each_chunk(reader, |bytes| digest.update(bytes))?;
    Ok(digest.finalize().to_be_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crc_gives_its_catalogued_check_value() {
        let bytes = &b"123456789"[..];
        assert_eq!(crc64_xz(bytes).unwrap(), 0x995d_c9bb_df19_39fa_u64.to_be_bytes());
        assert_eq!(crc64_nvme(bytes).unwrap(), 0xae8b_1486_0a79_9888_u64.to_be_bytes());
        assert_eq!(crc32c(bytes).unwrap(), 0xe306_9283_u32.to_be_bytes());
        assert_eq!(crc32(bytes).unwrap(), 0xcbf4_3926_u32.to_be_bytes());
    }

    #[test]
    fn crc_does_not_depend_on_chunk_boundaries() {
        let bytes: Vec<u8> = (0..600_001_u32).map(|n| (n % 251) as u8).collect();
        for cut in [0, 1, 15, 16, 17, 300_000] {
            let (first, second) = bytes.split_at(cut);
            assert_eq!(crc64_xz(first.chain(second)).unwrap(), crc64_xz(&bytes[..]).unwrap(), "cut at {cut}");
            assert_eq!(crc32c(first.chain(second)).unwrap(), crc32c(&bytes[..]).unwrap(), "cut at {cut}");
        }
    }
}
