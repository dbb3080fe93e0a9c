//! How far a video is, in lines, where there is no terminal for a bar.

/// Without a terminal, one line each time this share more is made.
const LINE_EVERY_PERCENT: u64 = 10;

/// What is told without a terminal.
pub(crate) struct Lines {
    /// What must be made before the next line.
    next_percent: u64,
}

// === impl Lines ===

impl Lines {
    pub(crate) fn new() -> Self {
        Self { next_percent: LINE_EVERY_PERCENT }
    }

    /// The line for so much, if enough came since the last one.
    pub(crate) fn at(&mut self, percent: u64) -> Option<String> {
        if percent < self.next_percent {
            return None;
        }
        self.next_percent = (percent / LINE_EVERY_PERCENT + 1) * LINE_EVERY_PERCENT;
        Some(format!("packaging {percent} %\n"))
    }
}

/// So much of a hundred, rounded down: nothing is told before it is made.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=100")]
pub(crate) fn whole(percent: f64) -> u64 {
    percent.clamp(0.0, 100.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_with_each_tenth_and_none_twice() {
        let mut lines = Lines::new();
        let made = [0.0, 9.99, 10.0, 19.6, 20.4, 21.0, 55.0, 59.9, 60.0, 100.0, 100.0];
        let told: Vec<String> = made.into_iter().filter_map(|percent| lines.at(whole(percent))).collect();
        assert_eq!(told, [10, 20, 55, 60, 100].map(|percent| format!("packaging {percent} %\n")));
    }
}
