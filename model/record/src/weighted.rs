//! Choices with weights, drawn one after the other without being drawn twice.

use std::collections::BTreeMap;

/// The choices whose weight is a positive number, in the order of the map.
pub fn choices<K: Copy>(weights: &BTreeMap<K, f32>) -> Vec<(K, f32)> {
    let choices = weights.iter().map(|(&choice, &weight)| (choice, weight));
    choices.filter(|(_, weight)| weight.is_finite() && *weight > 0.0).collect()
}

/// Takes one of the choices that are left out of the list, each as likely as its weight says; none
/// when nothing is left. `unit` is a random number in 0..1.
pub fn take<K: Copy>(left: &mut Vec<(K, f32)>, unit: f32) -> Option<K> {
    let total: f32 = left.iter().map(|(_, weight)| weight).sum();
    let mut rest = unit * total;
    let drawn = left.iter().position(|(_, weight)| {
        rest -= weight;
        rest < 0.0
    });
    let last = left.len().checked_sub(1)?;
    Some(left.swap_remove(drawn.unwrap_or(last)).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_choice_is_taken_once_and_as_often_as_it_weighs() {
        let weights = BTreeMap::from([('a', 1.0), ('b', 3.0), ('c', 0.0), ('d', f32::NAN)]);
        assert_eq!(choices(&weights), [('a', 1.0), ('b', 3.0)]);
        let first = |unit| take(&mut choices(&weights), unit);
        assert_eq!([0.0, 0.24, 0.26, 0.99].map(first), ['a', 'a', 'b', 'b'].map(Some));
        let mut left = choices(&weights);
        assert_eq!([take(&mut left, 1.0), take(&mut left, 1.0)], [Some('b'), Some('a')]);
        assert_eq!(take(&mut left, 0.5), None);
    }
}
