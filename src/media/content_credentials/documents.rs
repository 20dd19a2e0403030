//! Manifests in documents of text: SVG and PDF. They are searched as a stream, up to the read budget.

use std::io::{self, Read, Seek, SeekFrom};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{STORE_HEAD, is_store};
use crate::media::bounded_reader::BoundedReader;

/// How much of the manifest's element is read.
const ELEMENT_HEAD: usize = 4096;

/// Looks for an element `c2pa:manifest` whose text is a manifest store in Base64.
pub(super) fn svg_has_manifest(source: &mut BoundedReader<impl Read + Seek>) -> io::Result<bool> {
    let mut position = 0;
    while let Some(start) = find(source, position, b"<c2pa:manifest")? {
        position = start;
        let element = source.prefix_at(start, ELEMENT_HEAD)?;
        if element.iter().position(|byte| *byte == b'>').is_some_and(|end| is_store(&decode(&element[end + 1..]))) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The first bytes of what is here in Base64.
fn decode(text: &[u8]) -> Vec<u8> {
    let digits = text.iter().filter(|byte| !byte.is_ascii_whitespace()).take(STORE_HEAD.div_ceil(3) * 4);
    STANDARD.decode(digits.copied().collect::<Vec<_>>()).unwrap_or_default()
}

/// Looks for a file that is attached as a manifest.
pub(super) fn pdf_has_manifest(source: &mut BoundedReader<impl Read + Seek>) -> io::Result<bool> {
    Ok(find(source, 0, b"/C2PA_Manifest")?.is_some())
}

/// The position behind the first `mark` from `position` on.
fn find(source: &mut BoundedReader<impl Read + Seek>, mut position: u64, mark: &[u8]) -> io::Result<Option<u64>> {
    let mut buffer = Vec::new();
    source.seek(SeekFrom::Start(position))?;
    loop {
        if source.by_ref().take(64 << 10).read_to_end(&mut buffer)? == 0 {
            return Ok(None);
        }
        if let Some(found) = buffer.windows(mark.len()).position(|window| window == mark) {
            return Ok(Some(position + (found + mark.len()) as u64));
        }
        // A mark may be across two reads.
        let searched = buffer.len().saturating_sub(mark.len() - 1);
        position += searched as u64;
        buffer.drain(..searched);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{has_manifest, store};
    use super::*;

    #[test]
    fn svg_has_it_in_an_element() {
        let digits = STANDARD.encode(store());
        let (first, second) = digits.split_at(30);
        let svg = |filler: usize, element: &str| {
            let text =
                format!("<svg xmlns='http://www.w3.org/2000/svg'><metadata>{}{element}</metadata></svg>", " ".repeat(filler));
            has_manifest(&[text.as_bytes()])
        };
        for filler in [0, (64 << 10) - 70, (64 << 10) - 60, (64 << 10) - 52, 200_000] {
            assert!(svg(filler, &format!("<c2pa:manifest>{digits}</c2pa:manifest>")), "{filler}");
        }
        assert!(svg(0, &format!("<c2pa:manifest xmlns:c2pa='http://c2pa.org/manifest'>\n {first}\n{second}</c2pa:manifest>")));
        assert!(svg(0, &format!("<!-- <c2pa:manifest>...</c2pa:manifest> --><c2pa:manifest>{digits}</c2pa:manifest>")));
        for other in [
            "",
            "<c2pa:manifest></c2pa:manifest>",
            "<c2pa:manifest>...Base64 data goes here...</c2pa:manifest>",
            "<c2pa:manifest",
        ] {
            assert!(!svg(0, other), "{other}");
        }
    }

    #[test]
    fn pdf_has_it_as_an_attached_file() {
        assert!(has_manifest(&[b"%PDF-1.7\n", &vec![b' '; 70_000], b"<</Type/Filespec/AFRelationship/C2PA_Manifest>>"]));
        assert!(!has_manifest(&[b"%PDF-1.7\n(C2PA_Manifest)"]));
    }
}
