use super::*;

fn file(text: &str) -> Option<String> {
    SafeName::file(text, "mp4").map(|name| name.numbered(1))
}

#[test]
fn letters_stay_and_what_a_system_refuses_goes() {
    for (text, name) in [
        ("Mèo trên mặt trăng", "Mèo trên mặt trăng.mp4"),
        ("Me\u{300}o tre\u{302}n ma\u{323}\u{306}t tra\u{306}ng", "Mèo trên mặt trăng.mp4"),
        ("\u{202e}قطة\u{200f} على القمر\u{202c}\u{2066}\u{61c}", "قطة على القمر.mp4"),
        ("می\u{200c}خواهم", "می\u{200c}خواهم.mp4"),
        ("👩‍👩‍👧‍👦 🏳️‍🌈 🏴󠁧󠁢󠁳󠁣󠁴󠁿", "👩‍👩‍👧‍👦 🏳️‍🌈 🏴󠁧󠁢󠁳󠁣󠁴󠁿.mp4"),
        ("月の猫\u{3000}です", "月の猫 です.mp4"),
        ("a\0b\u{1b}[31mc\u{7f}\u{85}d", "ab[31mc d.mp4"),
        ("AC/DC: \"live\" <1|2> *?\\", "AC DC live 1 2.mp4"),
        ("  two\r\n\t lines  ", "two lines.mp4"),
        ("../../etc/passwd", "etc passwd.mp4"),
        (".hidden", "hidden.mp4"),
        ("wait...", "wait.mp4"),
        ("-rf", "_rf.mp4"),
        ("zero\u{200b}width\u{feff}", "zerowidth.mp4"),
        ("a<\u{338}b", "a≮b.mp4"),
        ("e\"\u{301}", "é.mp4"),
        ("clip.MP4", "clip.mp4"),
        ("clip.mp4.mp4", "clip.mp4.mp4"),
    ] {
        assert_eq!(file(text).as_deref(), Some(name), "{text:?}");
    }
    for empty in ["", " ", ".", "..", "...", "/", "\\", "\u{200d}", "\u{202e}", "\u{fe0f}", "\n\t", "???", ". ."] {
        assert_eq!((file(empty), SafeName::folder(empty)), (None, None), "{empty:?}");
    }
}

#[test]
fn devices_of_windows_are_renamed() {
    for (text, name) in [
        ("CON", "CON_.mp4"),
        ("nul", "nul_.mp4"),
        ("com1", "com1_.mp4"),
        ("COM¹", "COM¹_.mp4"),
        ("lpt0", "lpt0_.mp4"),
        ("conin$", "conin$_.mp4"),
        ("aux.tar", "aux_.tar.mp4"),
        ("PRN .x", "PRN_ .x.mp4"),
        ("COM10", "COM10.mp4"),
        ("console", "console.mp4"),
        ("CON 2", "CON 2.mp4"),
    ] {
        assert_eq!(file(text).as_deref(), Some(name), "{text}");
    }
    assert_eq!(SafeName::folder("con").unwrap().numbered(1), "con_");
}

#[test]
fn long_names_are_cut_between_characters_and_keep_the_extension() {
    for part in ["a", "ế", "月", "👩‍👩‍👧‍👦", "🇻🇳", "e\u{301}\u{302}\u{303}", "각", "a ", "a."] {
        let text = part.repeat(10_000);
        let plain = SafeName::file(&text, "mp4").unwrap();
        for number in [1, 2, 1_000_000] {
            let name = plain.numbered(number);
            assert!(name.len() <= MAX_BYTES && name.len() > MAX_BYTES - 60, "{name}");
            let stem = name.strip_suffix(".mp4").unwrap();
            let stem = if number > 1 { stem.strip_suffix(&format!(" ({number})")).unwrap() } else { stem };
            assert!(clean(&text).graphemes(true).zip(stem.graphemes(true)).all(|(one, other)| one == other), "{stem}");
            assert!(!stem.ends_with([' ', '.']), "{stem}");
        }
    }
    // One character that is longer than a name.
    assert_eq!(file(&format!("e{}", "\u{301}".repeat(500))), None);
    let hostile = SafeName::file("a", &"x".repeat(500)).unwrap().numbered(1);
    assert_eq!(hostile, format!("a.{}", "x".repeat(16)));
}

#[test]
fn numbered_name_of_a_character_that_fills_it_begins_with_no_blank() {
    let title = format!("q{}", "\u{316}".repeat(96));
    let name = SafeName::file(&title, "mp4").unwrap();
    assert_eq!((name.numbered(1), name.numbered(2)), (format!("{title}.mp4"), "_ (2).mp4".to_owned()));
}

#[test]
fn cut_counts_what_a_reader_takes_for_one_character() {
    assert_eq!(cut("👩‍👩‍👧‍👦🏳️‍🌈x", 1), "👩‍👩‍👧‍👦");
    assert_eq!(cut("Me\u{300}o", 2), "Me\u{300}");
    assert_eq!(cut("a cat", 2), "a");
    assert_eq!(cut("abc", 3), "abc");
    assert_eq!(cut("abc", 9), "abc");
}

#[test]
fn names_that_a_file_system_takes_for_one_fold_to_one_form() {
    for (one, other) in [
        ("Moon", "mOON"),
        ("é", "e\u{301}"),
        ("É", "e\u{301}"),
        ("straße", "STRASSE"),
        ("ẞ", "ß"),
        ("ΟΔΟΣ", "οδος"),
        ("ﬁ", "FI"),
        ("K", "k"),
        ("한", "\u{1112}\u{1161}\u{11ab}"),
        ("❤\u{fe0f}", "❤"),
        ("می\u{200c}خ", "میخ"),
    ] {
        assert_eq!(fold(one), fold(other), "{one} {other}");
    }
    assert_ne!(fold("a"), fold("á"));
    assert_ne!(fold("a1"), fold("a2"));
}

#[test]
fn names_of_random_texts_are_safe_and_stay_what_they_are() {
    let mut random = fastrand::Rng::with_seed(17);
    let special: Vec<char> = "/\\:.. -\"?*CONnul\u{202e}\u{200d}\u{301}\u{338}\u{1100}\u{1161}\u{fe0f}👩é".chars().collect();
    for _ in 0..2_000 {
        let length = random.usize(..300);
        let text: String =
            (0..length).map(|_| if random.bool() { special[random.usize(..special.len())] } else { random.char(..) }).collect();
        for name in [SafeName::folder(&text), SafeName::file(&text, "png")].into_iter().flatten().map(|name| name.numbered(1)) {
            assert!(is_safe(&name), "{name:?} of {text:?}");
            assert!(name.len() <= MAX_BYTES && !name.contains(['/', '\\', ':', '\0']), "{name:?}");
            assert!(!name.starts_with(['.', ' ', '-']) && !name.ends_with(['.', ' ']), "{name:?}");
        }
    }
}
