//! The names of codecs: what containers call them, and what they are usually called.
//!
//! A code without a row gives no name. Audio without compression is `pcm`, whatever its samples look like.

/// The video codec of a sample entry in an ISO file.
pub(super) fn iso_video(kind: [u8; 4]) -> Option<&'static str> {
    Some(match &kind {
        b"avc1" | b"avc2" | b"avc3" | b"avc4" | b"dva1" | b"dvav" => "h264",
        b"hvc1" | b"hvc2" | b"hev1" | b"hev2" | b"dvh1" | b"dvhe" => "hevc",
        b"vvc1" | b"vvi1" => "vvc",
        b"av01" | b"dav1" => "av1",
        b"vp08" => "vp8",
        b"vp09" => "vp9",
        b"apch" | b"apcn" | b"apcs" | b"apco" | b"ap4h" | b"ap4x" | b"aprn" => "prores",
        b"jpeg" | b"mjpa" => "mjpeg",
        b"png " => "png",
        b"s263" | b"h263" => "h263",
        b"AVdn" | b"AVdh" => "dnxhd",
        b"rle " => "qtrle",
        _ => return None,
    })
}

/// The codec of an `esds` by its object type, which MPEG-4 registers.
pub(super) fn object_type(number: u8) -> Option<&'static str> {
    Some(match number {
        0x20 => "mpeg4",
        0x40 | 0x66..=0x68 => "aac",
        0x60..=0x65 => "mpeg2video",
        0x6A => "mpeg1video",
        0x6C => "mjpeg",
        0x6D => "png",
        0xA5 => "ac3",
        0xA6 => "eac3",
        0xAD => "opus",
        0xDD => "vorbis",
        _ => return None,
    })
}

/// The audio codec of a sample entry in an ISO file.
pub(super) fn iso_audio(kind: [u8; 4]) -> Option<&'static str> {
    Some(match &kind {
        b"Opus" => "opus",
        b"fLaC" => "flac",
        b"alac" => "alac",
        b"ac-3" => "ac3",
        b"ec-3" => "eac3",
        b".mp3" | b"ms\0\x55" => "mp3",
        b"samr" => "amr_nb",
        b"sawb" => "amr_wb",
        b"ulaw" => "pcm_mulaw",
        b"alaw" => "pcm_alaw",
        b"ima4" => "adpcm_ima_qt",
        b"lpcm" | b"ipcm" | b"fpcm" | b"sowt" | b"twos" | b"raw " | b"NONE" | b"in24" | b"in32" | b"fl32" | b"fl64" => "pcm",
        _ => return None,
    })
}

/// The audio codec of an AIFC file.
pub(in crate::media) fn aiff(kind: [u8; 4]) -> Option<&'static str> {
    match kind.to_ascii_lowercase().as_slice() {
        b"none" | b"sowt" | b"twos" | b"raw " | b"in24" | b"in32" | b"42ni" | b"23ni" | b"fl32" | b"fl64" => Some("pcm"),
        b"ulaw" => Some("pcm_mulaw"),
        b"alaw" => Some("pcm_alaw"),
        b"ima4" => Some("adpcm_ima_qt"),
        _ => None,
    }
}

/// The audio codec of a format tag in WAV, AVI and Matroska.
pub(in crate::media) fn wave_tag(tag: u16) -> Option<&'static str> {
    Some(match tag {
        1 | 3 => "pcm",
        2 => "adpcm_ms",
        6 => "pcm_alaw",
        7 => "pcm_mulaw",
        0x11 => "adpcm_ima_wav",
        0x31 => "gsm_ms",
        0x50 => "mp2",
        0x55 => "mp3",
        0xFF | 0x1610 => "aac",
        0x2000 => "ac3",
        0xF1AC => "flac",
        _ => return None,
    })
}

/// The video codec of a FOURCC in AVI and Matroska.
pub(in crate::media) fn fourcc(code: [u8; 4]) -> Option<&'static str> {
    Some(match code.to_ascii_uppercase().as_slice() {
        b"H264" | b"X264" | b"AVC1" | b"DAVC" => "h264",
        b"HEVC" | b"H265" | b"X265" | b"HVC1" => "hevc",
        b"AV01" => "av1",
        b"VP80" => "vp8",
        b"VP90" => "vp9",
        b"FMP4" | b"MP4V" | b"XVID" | b"DIVX" | b"DX50" | b"3IV2" => "mpeg4",
        b"MP42" => "msmpeg4v2",
        b"MP43" | b"DIV3" => "msmpeg4v3",
        b"MJPG" => "mjpeg",
        b"MPG1" => "mpeg1video",
        b"MPG2" => "mpeg2video",
        b"FFV1" => "ffv1",
        b"HFYU" => "huffyuv",
        b"APCH" | b"APCN" | b"APCS" | b"APCO" | b"AP4H" | b"AP4X" => "prores",
        b"\0\0\0\0" | b"DIB " => "rawvideo",
        _ => return None,
    })
}

/// The video codec of an id in Matroska, without that of a FOURCC.
pub(super) fn matroska_video(id: &str) -> Option<&'static str> {
    Some(match id {
        "V_MPEG4/ISO/AVC" => "h264",
        "V_MPEGH/ISO/HEVC" => "hevc",
        "V_MPEGI/ISO/VVC" => "vvc",
        "V_AV1" => "av1",
        "V_VP8" => "vp8",
        "V_VP9" => "vp9",
        "V_PRORES" => "prores",
        "V_MPEG4/ISO/SP" | "V_MPEG4/ISO/ASP" | "V_MPEG4/ISO/AP" => "mpeg4",
        "V_MPEG1" => "mpeg1video",
        "V_MPEG2" => "mpeg2video",
        "V_THEORA" => "theora",
        "V_MJPEG" => "mjpeg",
        "V_FFV1" => "ffv1",
        "V_UNCOMPRESSED" => "rawvideo",
        _ => return None,
    })
}

/// The audio codec of an id in Matroska, without that of a format tag.
pub(super) fn matroska_audio(id: &str) -> Option<&'static str> {
    Some(match id {
        "A_OPUS" => "opus",
        "A_VORBIS" => "vorbis",
        "A_FLAC" => "flac",
        "A_ALAC" => "alac",
        "A_MPEG/L3" => "mp3",
        "A_MPEG/L2" => "mp2",
        "A_MPEG/L1" => "mp1",
        "A_AC3" => "ac3",
        "A_EAC3" => "eac3",
        "A_DTS" => "dts",
        "A_TRUEHD" => "truehd",
        "A_PCM/INT/LIT" | "A_PCM/INT/BIG" | "A_PCM/FLOAT/IEEE" => "pcm",
        _ if id == "A_AAC" || id.starts_with("A_AAC/") => "aac",
        _ => return None,
    })
}
