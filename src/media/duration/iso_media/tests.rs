//! Durations of MP4 and MOV, also of damaged and hostile files.

use std::io::Cursor;

fn make_box(kind: &str, body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    [&u32::try_from(body.len() + 8).unwrap().to_be_bytes(), kind.as_bytes(), &body].concat()
}

fn be_words(words: &[u32]) -> Vec<u8> {
    words.iter().copied().flat_map(u32::to_be_bytes).collect()
}

/// A movie of one track, with 1000 ticks per second and these durations in its `mvhd` and `mdhd`.
fn movie(movie: u32, track: u32, extends: &[u8]) -> Vec<u8> {
    let clock = make_box("mdhd", &[&be_words(&[0, 0, 0, 1000, track])]);
    let identity = make_box("tkhd", &[&be_words(&[0, 0, 0, 7])]);
    let track = make_box("trak", &[&identity, &make_box("mdia", &[&clock])]);
    make_box("moov", &[&make_box("mvhd", &[&be_words(&[0, 0, 0, 1000, movie])]), &track, extends])
}

fn fragment(time: Option<u32>, header: &[u32], run: &[u32]) -> Vec<u8> {
    let time = time.map(|time| make_box("tfdt", &[&be_words(&[0, time])])).unwrap_or_default();
    let (header, run) = (make_box("tfhd", &[&be_words(header)]), make_box("trun", &[&be_words(run)]));
    [make_box("moof", &[&make_box("traf", &[&header, &time, &run])]), make_box("mdat", &[&[0; 9]])].concat()
}

fn extends() -> Vec<u8> {
    make_box("mvex", &[&make_box("trex", &[&be_words(&[0, 7, 1, 40, 0, 0])])])
}

fn seconds(file: &[Vec<u8>]) -> Option<f64> {
    super::seconds(&mut Cursor::new(file.concat()))
}

#[test]
fn track_duration_is_used_when_the_movie_has_none() {
    for (whole, track, expected) in
        [(1500, 9000, Some(1.5)), (0, 9000, Some(9.0)), (u32::MAX, 9000, Some(9.0)), (0, 0, None), (u32::MAX, u32::MAX, None)]
    {
        assert_eq!(seconds(&[movie(whole, track, &[])]), expected, "{whole} {track}");
    }
    assert_eq!(seconds(&[make_box("ftyp", &[]), make_box("mdat", &[&[0; 99]]), movie(1500, 0, &[])]), Some(1.5));
    assert_eq!(seconds(&[movie(1500, 0, &extends())]), Some(1.5), "it announces fragments, but has none");
}

#[test]
fn fragment_durations_are_summed() {
    let (default, own) = ([0, 7].as_slice(), [0x0B, 7, 0, 0, 1, 50].as_slice());
    for (track, fragments, expected) in [
        (0, vec![fragment(Some(0), default, &[0, 25])], Some(1.0)),
        (0, vec![fragment(Some(0), default, &[0, 25]), fragment(Some(1000), own, &[0, 10])], Some(1.5)),
        (0, vec![fragment(None, default, &[0, 25]), fragment(None, own, &[0, 10])], Some(1.5)),
        (0, vec![fragment(Some(90_000), default, &[0, 25])], Some(1.0)),
        (500, vec![fragment(Some(500), default, &[0, 25])], Some(1.5)),
        (0, vec![fragment(Some(0), default, &[0x305, 2, 0, 0, 600, 1, 700, 1])], Some(1.3)),
        (0, vec![fragment(Some(0), default, &[0x305, u32::MAX, 0, 0, 600, 1, 700])], Some(0.6)),
        (0, vec![fragment(Some(0), &[0, 8], &[0, 25])], None),
        (0, vec![fragment(Some(0), default, &[])], None),
    ] {
        let file = [vec![movie(0, track, &extends())], fragments].concat();
        assert_eq!(seconds(&file), expected);
    }
}

#[test]
fn movie_of_audio_tracks_alone_is_audio() {
    let track = |handler: &[u8]| make_box("trak", &[&make_box("mdia", &[&make_box("hdlr", &[&[0; 8], handler, &[0; 12]])])]);
    let (sound, video, chapters) = (track(b"soun"), track(b"vide"), track(b"text"));
    for (tracks, expected) in [
        ([sound.as_slice()].as_slice(), true),
        (&[&sound, &chapters, &sound], true),
        (&[&sound, &video], false),
        (&[&video], false),
        (&[&chapters], false),
        (&[&sound, &track(b"pict")], false),
        (&[&sound, &make_box("trak", &[])], false),
        (&[], false),
    ] {
        let file = [make_box("ftyp", &[b"isom"]), make_box("mdat", &[&[0; 99]]), make_box("moov", tracks)].concat();
        assert_eq!(super::is_audio_only(&mut Cursor::new(file)), expected);
    }
    assert!(!super::is_audio_only(&mut Cursor::new(b"")));
}

#[test]
fn invalid_box_sizes_stop_the_parser() {
    for head in [[0_u32, 0], [7, 0], [1, 0], [u32::MAX, 0]] {
        assert_eq!(seconds(&[be_words(&head), movie(1500, 0, &[])]), None, "{head:?}");
    }
    assert_eq!(seconds(&[be_words(&[1, 0, u32::MAX, u32::MAX]), movie(1500, 0, &[])]), None);
    assert_eq!(seconds(&[be_words(&[1, 0, 0, 20, 0]), movie(1500, 0, &[])]), Some(1.5));
    let whole = movie(1500, 0, &extends());
    for length in 0..whole.len() {
        assert!(seconds(&[whole[..length].to_vec()]).is_none_or(|found| (found - 1.5).abs() < 0.001));
    }
}
