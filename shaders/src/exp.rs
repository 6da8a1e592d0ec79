//! The exponential and what is made of it, in loops that compilers vectorise.

/// `e^x` within 2 units of the last place; 0 where the result would be below the smallest normal
/// number, since processors slow down on those, and the largest finite ones beyond 88.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const LOW: f32 = -87.336_54;
    const HIGH: f32 = 88.0;
    // Adding it rounds to whole numbers, which then stand in the low bits.
    const ROUND: f32 = 12_582_912.0;
    // Comparisons, unlike `min`, let NaN pass.
    let x = if x > HIGH { HIGH } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // ln 2 in two parts, of which the first has few digits.
    let r = x - n * 0.693_359_4 - n * -2.121_944_4e-4;
    let mut p = 1.987_569_1e-4;
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5] {
        p = p * r + c;
    }
    let p = p * r * r + r + 1.0;
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    if x < LOW { 0.0 } else { p * power }
}

/// `x σ(factor x)`: SiLU, and CLIP's approximation of GELU.
#[inline(always)]
fn swish(x: f32, factor: f32) -> f32 {
    x / (1.0 + exp(-factor * x))
}

/// `x Φ(x)`, with erf by Abramowitz and Stegun's 7.1.26, whose error is 1.5e-7.
#[inline(always)]
fn gelu_of(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let mut p = 1.061_405_4;
    for c in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
        p = p * t + c;
    }
    let tail = 0.5 * p * t * exp(-z * z);
    x * if x < 0.0 { tail } else { 1.0 - tail }
}

macro_rules! in_place {
    ($(#[$doc:meta])* $name:ident, $of:expr $(, $argument:ident)?) => {
        $(#[$doc])*
        pub fn $name(x: &mut [f32] $(, $argument: f32)?) {
            #[inline(always)]
            fn plain(x: &mut [f32] $(, $argument: f32)?) {
                x.iter_mut().for_each(|x| *x = $of(*x $(, $argument)?));
            }
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                #[target_feature(enable = "avx2,fma")]
                fn wide(x: &mut [f32] $(, $argument: f32)?) {
                    plain(x $(, $argument)?);
                }
                // SAFETY: the processor has the instructions.
                return unsafe { wide(x $(, $argument)?) };
            }
            plain(x $(, $argument)?);
        }
    };
}

in_place!(
    /// `x σ(factor x)` of each number.
    swish_in_place, swish, factor
);
in_place!(
    /// `x Φ(x)` of each number, to 2e-7 of its magnitude.
    gelu_in_place, gelu_of
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_that_of_the_library() {
        for i in -87_000..88_000 {
            let x = i as f32 / 1000.0 + 0.000_37;
            let (found, expected) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((found / expected - 1.0).abs() < 2.5e-7, "{x}: {found} and {expected}");
        }
        assert_eq!([exp(-88.0), exp(-1e9), exp(f32::NEG_INFINITY), exp(0.0)], [0.0, 0.0, 0.0, 1.0]);
        assert!(exp(1000.0).is_finite() && exp(f32::NAN).is_nan());
    }

    /// erf by its series.
    fn erf(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    }

    #[test]
    fn activations_are_their_formulas() {
        let x: Vec<f32> = (-501..=500).map(|i| i as f32 / 125.0).collect();
        let mut found = [x.clone(), x.clone(), x.clone()];
        gelu_in_place(&mut found[0]);
        swish_in_place(&mut found[1], 1.0);
        swish_in_place(&mut found[2], 1.702);
        for (i, &x) in x.iter().enumerate() {
            let x = f64::from(x);
            let expected = [
                x * 0.5 * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2)),
                x / (1.0 + (-x).exp()),
                x / (1.0 + (-1.702 * x).exp()),
            ];
            for (found, expected) in found.iter().zip(expected) {
                let off = (f64::from(found[i]) - expected).abs();
                assert!(off < 4e-7 * x.abs().max(1.0), "{x}: {} and {expected}", found[i]);
            }
        }
        for far in [-1e30, f32::NEG_INFINITY, f32::NAN] {
            let mut x = [far; 2];
            gelu_in_place(&mut x[..1]);
            swish_in_place(&mut x[1..], 1.0);
            assert!(
                x.iter().all(|x| far.is_infinite() || x.is_nan() == far.is_nan()),
                "{far}: {x:?}"
            );
        }
    }
}
