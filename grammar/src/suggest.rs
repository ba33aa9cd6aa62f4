//! "Did you mean": the known word closest to one that was written.

/// The candidate that `word` was probably meant to be: one that differs in at most a third of its letters, and not in all; else
/// one that shares a whole word with it (`tau` and `tau_m`, `v_threshold` and `v_thresh`).
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters = word.chars().count();
    let allowed = (letters / 3).max(1).min(letters.saturating_sub(1));
    let candidates: Vec<&str> = candidates.into_iter().filter(|candidate| *candidate != word).collect();
    if let Some(same) = candidates.iter().find(|candidate| candidate.eq_ignore_ascii_case(word)) {
        return Some(same);
    }
    let slip = (candidates.iter())
        .filter(|candidate| candidate.chars().count().abs_diff(letters) <= allowed)
        .map(|candidate| (distance(word, candidate), *candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance);
    let kin = || {
        let shared = candidates.iter().map(|candidate| (shared(word, candidate), *candidate));
        // The first of equals.
        shared.filter(|(letters, _)| *letters > 0).min_by_key(|(letters, _)| std::cmp::Reverse(*letters))
    };
    slip.or_else(kin).map(|(_, candidate)| candidate)
}

/// Letters of the longest word between `_` of one with which a word of the other begins; short words say nothing.
fn shared(a: &str, b: &str) -> usize {
    fn words(text: &str) -> impl Iterator<Item = &str> {
        text.split('_').filter(|word| word.len() >= 3)
    }
    let pairs = words(a).flat_map(|a| words(b).map(move |b| if a.len() < b.len() { (a, b) } else { (b, a) }));
    // Less than half of a word is no kin: `int` and `integrator`.
    let kin = pairs.filter(|(short, long)| long.starts_with(short) && 2 * short.len() > long.len());
    kin.map(|(short, _)| short.len()).max().unwrap_or(0)
}

/// Edits between two words; a swap of neighbours counts as one.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j - 1] + change).min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn a_slip_is_mended_and_another_word_is_not() {
        let words = ["population", "connect", "probe"];
        assert_eq!(closest("popluation", words), Some("population"));
        assert_eq!(closest("conect", words), Some("connect"));
        assert_eq!(closest("weight", words), None);
        assert_eq!(closest("z", ["x", "y"]), None);
        assert_eq!(closest("probe", words), None);
    }

    #[test]
    fn a_word_of_several_is_enough() {
        let words = ["tau_m", "r_m", "v_thresh", "v_reset", "refractory"];
        assert_eq!(closest("tau", words), Some("tau_m"));
        assert_eq!(closest("reset", words), Some("v_reset"));
        assert_eq!(closest("threshold", words), Some("v_thresh"));
        assert_eq!(closest("refractory_period", words), Some("refractory"));
        assert_eq!(closest("rest", ["restore"]), Some("restore"));
        assert_eq!(closest("m", words), None);
        assert_eq!(closest("capacitance", words), None);
    }
}
