//! The hash that places jobs in buckets, spreads shards over nodes and jitter over ticks.

/// FNV-1a, finished like SplitMix64. All nodes and builds compute the same value for the same input:
/// changing the function would move jobs to other buckets, where nothing is known of them.
pub fn hash(text: &str, number: u64) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in text.bytes().chain(number.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}
