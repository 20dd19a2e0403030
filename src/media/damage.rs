//! Damages bytes at random, in the same way in each run. For tests.

/// A stream of numbers, each below the number that is passed (xorshift).
pub(super) fn xorshift(mut state: u64) -> impl FnMut(usize) -> usize {
    move |sides| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 16).unwrap() % sides
    }
}

/// A copy of `bytes` with one to six faults: mostly in the first bytes, where the headers are.
pub(super) fn damaged(bytes: &[u8], roll: &mut impl FnMut(usize) -> usize) -> Vec<u8> {
    let mut damaged = bytes.to_vec();
    for _ in 0..=roll(6) {
        let reach = [64, 1024, usize::MAX][roll(3)];
        let at = roll(damaged.len().min(reach));
        let fill = |count: usize, byte: u8, damaged: &mut [u8]| damaged[at..].iter_mut().take(count).for_each(|to| *to = byte);
        match roll(7) {
            0 => fill(4, 0xFF, &mut damaged),
            1 => fill(4, 0, &mut damaged),
            2 => fill(8, 0, &mut damaged),
            3 => fill(4, 0x7F, &mut damaged),
            4 => damaged.truncate(at.max(16)),
            5 => damaged[at] ^= 1 << roll(8),
            _ => damaged[at] = roll(256).to_le_bytes()[0],
        }
    }
    damaged
}
