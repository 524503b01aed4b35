//! Numbers that are the same in every run.

/// Sebastiano Vigna's splitmix64.
pub struct Random(u64);

impl Random {
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to `end`, without `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    pub fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    /// What the digits look like: `rows` of 64 whole numbers from 0 to 16.
    pub fn digits(&mut self, rows: usize) -> Vec<f32> {
        (0..rows * 64).map(|_| self.below(17) as f32).collect()
    }

    /// Any FP32: every bit is random, so that infinities and NaN are among them.
    pub fn bits(&mut self, rows: usize) -> Vec<f32> {
        (0..rows * 64).map(|_| f32::from_bits(self.next() as u32)).collect()
    }
}
