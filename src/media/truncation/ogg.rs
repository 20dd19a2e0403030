//! Whether an Ogg file is cut: its last page is then longer than the rest of the file.

use std::io::{self, Read, Seek, SeekFrom};

use super::Cut;
use crate::media::bounded_reader::BoundedReader;

/// The header of a page without its table of segments.
const HEADER_SIZE: usize = 27;
/// The longest page: its header, and 255 segments of up to 255 bytes with their table.
const MAX_PAGE: u64 = HEADER_SIZE as u64 + 255 + 255 * 255;

pub(super) fn find_cut(source: &mut BoundedReader<impl Read + Seek>) -> io::Result<Option<Cut>> {
    let start = source.length().saturating_sub(MAX_PAGE);
    let mut end = Vec::new();
    source.seek(SeekFrom::Start(start))?;
    source.take(MAX_PAGE).read_to_end(&mut end)?;
    let last = end.windows(4).rposition(|window| window == b"OggS");
    let is_cut = last.is_some_and(|last| page_size(&end[last..]).is_none_or(|size| size > end.len() - last));
    Ok(is_cut.then_some(Cut::EndsBeyondFile("its last page")))
}

/// The size of the page at the beginning; `None` when its header is cut.
fn page_size(page: &[u8]) -> Option<usize> {
    let count = usize::from(*page.get(HEADER_SIZE - 1)?);
    let segments = page.get(HEADER_SIZE..HEADER_SIZE + count)?;
    Some(HEADER_SIZE + count + segments.iter().map(|size| usize::from(*size)).sum::<usize>())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use crate::media::truncation::{Cut, find_cut};

    fn page(size: usize) -> Vec<u8> {
        let table: Vec<u8> = std::iter::repeat_n(255, size / 255).chain([u8::try_from(size % 255).unwrap()]).collect();
        [b"OggS".as_slice(), &[0; 22], &[u8::try_from(table.len()).unwrap()], &table, &vec![7; size]].concat()
    }

    #[test]
    fn last_page_is_compared_with_the_file() {
        let pages = [page(30), page(40_000), page(60_000)].concat();
        assert_eq!(find_cut(Cursor::new(&pages)), None);
        assert_eq!(find_cut(Cursor::new([&pages, b"a tag".as_slice()].concat())), None);
        for missing in [1, 100, 59_990, 60_000, 60_200, 60_250] {
            let cut = &pages[..pages.len() - missing];
            assert_eq!(find_cut(Cursor::new(cut)), Some(Cut::EndsBeyondFile("its last page")), "{missing}");
        }
        assert_eq!(find_cut(Cursor::new(&pages[..pages.len() - page(60_000).len()])), None, "a cut between pages is not visible");
    }
}
