use super::*;

#[test]
fn safe_id_is_its_own_folder_name() {
    let hundred = "a".repeat(100);
    for id in ["777935781150867525", "9f1c", "task_abc.d-e", "console", "com10", "x.con", "a-0123456789abcde", &hundred] {
        assert_eq!(folder_name(id), id);
        assert!(is_folder_name(id));
    }
}

#[test]
fn unsafe_id_gets_a_readable_prefix_and_a_hash() {
    assert_eq!(folder_name("CjNQtmctxFMAAAAAAGZ1Vw"), "CjNQtmctxFMAAAAAAGZ1Vw-dde46322e86f5d57");
    let long = "a".repeat(101);
    for id in [
        "",
        ".hidden",
        "-x",
        "_x",
        "dot.",
        "con",
        "con.txt",
        "nul",
        "com1",
        "lpt9.x",
        "a b",
        "veo3:1",
        "models/veo/1",
        "..",
        "ä",
        "manifest.json",
        "sha256sums",
        "index.html",
        "a-0123456789abcdef",
        "Abc",
        "a\0b",
        "a\\b",
        &long,
    ] {
        let name = folder_name(id);
        assert_ne!(name, id);
        assert!(name.len() <= 57 && name.is_ascii(), "{name}");
        assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'), "{name}");
        assert!(id.is_empty() || is_folder_name(&name), "{name}");
    }
    assert_eq!(folder_name("veo3:1756693796-YQVHH4A3Lg").split('-').next(), Some("veo3_1756693796_YQVHH4A3Lg"));
    assert!(folder_name("äöü").starts_with("___-"));
    assert_eq!(folder_name(&"ß".repeat(60)).len(), 57, "40 characters, not bytes");
}

#[test]
fn no_two_ids_share_a_folder() {
    let hashed = folder_name("Abc");
    assert_ne!(folder_name(&hashed), hashed, "an id can't get the folder of another");
    assert_ne!(folder_name("Abc").to_lowercase(), folder_name("abc"));
    assert_ne!(folder_name("Abc").to_lowercase(), folder_name("ABC").to_lowercase());
}

#[test]
fn numbers_get_the_width_of_the_folder_or_else_of_the_answer() {
    const LONG: &str = "image-000000000000000000001.png";
    assert!(!is_file_name(Kind::Image, LONG));
    assert!(!is_file_name(Kind::Image, &format!("image-{}1.png", "0".repeat(70_000))));
    let stem = |names: &[(usize, &'static str)], count, index| {
        let key = |index| AssetKey { kind: Kind::Image, index };
        let names = names.iter().map(|(index, name)| (key(*index), *name));
        FileStems::new(names, [(Kind::Image, count), (Kind::Video, 100)]).stem(key(index))
    };
    for (names, count, index, expected) in [
        (&[][..], 9, 1, "image-1"),
        (&[], 10, 1, "image-01"),
        (&[], 10, 10, "image-10"),
        (&[], 100, 7, "image-007"),
        (&[], 0, 1, "image-1"),
        (&[(1, "image-1.png"), (9, "image-9.png")], 11, 10, "image-10"),
        (&[(1, "image-1.png"), (9, "image-9.png")], 11, 2, "image-2"),
        (&[(9, "image-9.png"), (11, "image-11.png")], 11, 3, "image-3"),
        (&[(1, "image-01.png"), (12, "image-12.png")], 9, 2, "image-02"),
        (&[(1, "image-01.png"), (12, "image-12.png")], 100, 100, "image-100"),
        (&[(10, "image-10.png")], 9, 2, "image-02"),
        (&[(1, "image-1.png"), (9, "image-09.png")], 11, 9, "image-09"),
        (&[(1, LONG)], 9, 1, "image-1"),
        (&[(1, LONG)], 9, 2, "image-2"),
        (&[(1, "image-00000000000000000001.png")], 9, 2, "image-00000000000000000002"),
        (&[(1, "image-02.png"), (1, "video-01.mp4"), (1, "../image-01.png")], 9, 1, "image-1"),
    ] {
        assert_eq!(stem(names, count, index), expected, "{names:?} {count}");
    }
}

#[test]
fn suffixed_name_belongs_to_one_hash() {
    let (own, other) = (Sha256Hex::digest(b"own"), Sha256Hex::digest(b"other"));
    let name = suffixed_name("video-01.mp4", &own);
    assert_eq!(name, format!("video-01-{}.mp4", &own.as_str()[..16]));
    assert!(is_suffixed_name(Kind::Video, &name) && !is_suffixed_name(Kind::Video, "video-01.mp4"));
    assert!(is_file_name(Kind::Video, &name) && is_name_of(Kind::Video, &name, &own));
    assert!(!is_name_of(Kind::Video, &name, &other) && !is_file_name(Kind::Image, &name));
    assert!(is_name_of(Kind::Video, "video-01.mp4", &other));
    assert_eq!(number_of(Kind::Video, &name), Some("01"));
    let text = suffixed_name(TEXT, &own);
    assert!(is_text_name(&text) && is_name_of_text(&text, || own.clone()) && !is_name_of_text(&text, || other.clone()));
    assert!(is_text_name(TEXT) && is_name_of_text(TEXT, || other.clone()));
    for name in [&name, &text, "VIDEO-1-0123456789ABCDEF.mp4", "Text-0123456789abcdef.TXT"] {
        assert!(is_archive_file_name(OsStr::new(name)), "{name}");
    }
    let sixteen_digits = "video-1234567890123456.mp4";
    assert!(is_name_of(Kind::Video, sixteen_digits, &other), "a long N is no suffix");
    for name in [
        "video-1-0123456789abcde.mp4",
        "video-1-0123456789abcdef0.mp4",
        "video-1-0123456789ABCDEF.mp4",
        "video-1-0123456789abcdeg.mp4",
        "video-1-0123456789abcdef",
        "video-1-0123456789abcdef.",
        "video--0123456789abcdef.mp4",
        "video-1-1-0123456789abcdef.mp4",
        "video-1-.mp4",
        "text-0123456789abcdef.mp4",
        "text-.txt",
        "text-1.txt",
        "text-0123456789abcdef-0123456789abcdef.txt",
    ] {
        assert!(!is_file_name(Kind::Video, name) && !is_text_name(name), "{name}");
    }
}

#[test]
fn other_names_at_the_root_are_not_task_folders() {
    for name in ["", "manifest.json", "SHA256SUMS", ".lock", "My Photos", "X-0123456789abcdeg", "../x", "a/b"] {
        assert!(!is_folder_name(name), "{name}");
    }
}
