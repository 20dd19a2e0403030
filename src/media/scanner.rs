//! Reads a file in order, for formats whose parts are too small to be looked up one by one.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

/// A file that is read in order. Its end is an error.
pub(super) struct Scanner<R>(BufReader<R>);

impl<R: Read> Scanner<R> {
    pub(super) fn new(mut source: R, position: u64) -> io::Result<Self>
    where
        R: Seek,
    {
        source.seek(SeekFrom::Start(position))?;
        Ok(Self(BufReader::with_capacity(64 << 10, source)))
    }

    pub(super) fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.0.read_exact(&mut byte).map(|()| byte[0])
    }

    pub(super) fn byte_other_than(&mut self, filler: u8) -> io::Result<u8> {
        loop {
            match self.byte()? {
                byte if byte == filler => {}
                byte => return Ok(byte),
            }
        }
    }

    pub(super) fn skip(&mut self, mut count: u64) -> io::Result<()> {
        while count > 0 {
            let available = self.0.fill_buf()?.len();
            if available == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let skipped = available.min(usize::try_from(count).unwrap_or(available));
            self.0.consume(skipped);
            count -= skipped as u64;
        }
        Ok(())
    }

    /// The next marker in compressed data of a JPEG, in which 0xFF is otherwise followed by 0 or by the number of a restart.
    pub(super) fn jpeg_marker_in_data(&mut self) -> io::Result<u8> {
        loop {
            let buffer = self.0.fill_buf()?;
            let mark = buffer.iter().position(|byte| *byte == 0xFF);
            let (skipped, is_empty) = (mark.map_or(buffer.len(), |mark| mark + 1), buffer.is_empty());
            self.0.consume(skipped);
            if is_empty {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if mark.is_some() {
                match self.byte_other_than(0xFF)? {
                    0 | 0xD0..=0xD7 => {}
                    marker => return Ok(marker),
                }
            }
        }
    }

    /// Reads the blocks of a GIF, from the flags in its header up to its end mark, or up to something that is no block. Passes
    /// the name of each application extension to `on_application`.
    pub(super) fn scan_gif(&mut self, mut on_application: impl FnMut(&[u8])) -> io::Result<()> {
        let flags = self.byte()?;
        self.skip(2 + color_table_size(flags))?;
        loop {
            match self.byte()? {
                // An extension, with a label. That of an application begins with its name.
                0x21 => {
                    if self.byte()? == 0xFF {
                        let mut name = vec![0; self.byte()?.into()];
                        self.0.read_exact(&mut name)?;
                        on_application(&name);
                    }
                }
                // A picture: its position, its own colors, and the size of its codes.
                0x2C => {
                    self.skip(8)?;
                    let flags = self.byte()?;
                    self.skip(color_table_size(flags) + 1)?;
                }
                _ => return Ok(()),
            }
            loop {
                match self.byte()? {
                    0 => break,
                    size => self.skip(size.into())?,
                }
            }
        }
    }
}

fn color_table_size(flags: u8) -> u64 {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}
