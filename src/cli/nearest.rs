//! Finds the known word that a mistyped word most likely means. For commands and for the names of settings.

use strsim::osa_distance;

/// The word of `known` that `typed` most likely means, if there is one. Letter case does not count.
///
/// A short word allows one missing, added or swapped letter. Another letter there makes another word: `lost` is not `list`.
/// A longer word allows two mistakes. So do four or more letters from its beginning.
pub(super) fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    let near = known.into_iter().filter_map(|word| distance(&typed, word).map(|distance| (distance, word)));
    near.min_by_key(|(distance, _)| *distance).map(|(_, word)| word)
}

/// How far `typed` is from `word`; none if it is too far.
fn distance(typed: &str, word: &str) -> Option<usize> {
    let (typed_length, length) = (typed.chars().count(), word.chars().count());
    let distance = osa_distance(typed, word);
    let is_near = match length {
        0..=4 => distance == 0 || distance == 1 && has_the_same_letters(typed, word),
        5 => distance <= 1,
        _ => distance <= 2 && typed_length.abs_diff(length) <= 1,
    };
    let is_beginning = typed_length >= 4 && word.starts_with(typed);
    (is_near || is_beginning).then_some(distance)
}

/// Whether one word has all letters of the other.
fn has_the_same_letters(typed: &str, word: &str) -> bool {
    typed.chars().all(|letter| word.contains(letter)) || word.chars().all(|letter| typed.contains(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_word_allows_few_mistakes() {
        let known = ["verify", "list", "man", "index", "completions"];
        for (typed, word) in [
            ("verfy", "verify"),
            ("Verify", "verify"),
            ("evrify", "verify"),
            ("varifi", "verify"),
            ("lsit", "list"),
            ("lst", "list"),
            ("lists", "list"),
            ("mna", "man"),
            ("idnex", "index"),
            ("comp", "completions"),
            ("completion", "completions"),
        ] {
            assert_eq!(nearest(typed, known), Some(word), "{typed}");
        }
        for typed in ["", "a", "lost", "last", "men", "com", "verified", "veo", "text", "indexes2"] {
            assert_eq!(nearest(typed, known), None, "{typed}");
        }
    }
}
