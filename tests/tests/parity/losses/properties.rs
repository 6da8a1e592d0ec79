//! What holds for every loss: gradients against finite differences, invariances, limits.

use super::*;
use std::cell::Cell;

thread_local! {
    /// Each test has its own thread, so its numbers do not depend on the others.
    static STATE: Cell<u64> = const { Cell::new(1) };
}

fn uniform() -> f64 {
    let next = STATE.get().wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
    STATE.set(next);
    (next >> 11) as f64 / (1u64 << 53) as f64
}

pub(super) fn draw<const D: usize>(shape: [usize; D], f: impl Fn(f64) -> f64) -> Tensor<D> {
    let drawn: Vec<f32> = (0..shape.iter().product()).map(|_| f(uniform()) as f32).collect();
    Tensor::from_data(TensorData::new(drawn, shape), &Device::flex())
}

pub(super) fn noise<const D: usize>(shape: [usize; D], low: f64, high: f64) -> Tensor<D> {
    draw(shape, |u| low + u * (high - low))
}

fn coin<const D: usize>(shape: [usize; D], share: f64) -> Tensor<D> {
    draw(shape, |u| if u < share { 1.0 } else { 0.0 })
}

/// The analytic gradient of `loss` against central differences, element by element.
fn check_gradient<const D: usize>(name: &str, x: Tensor<D>, loss: impl Fn(Tensor<D>) -> Tensor<1>) {
    let shape = x.dims();
    let at = values(x.clone());
    let leaf = Tensor::from_inner(x).require_grad();
    let gradient = values(leaf.grad(&loss(leaf.clone()).backward()).unwrap());
    let step = 4e-3f32;
    let value = |i: usize, by: f32| {
        let mut moved = at.clone();
        moved[i] += by;
        let moved = Tensor::<D>::from_data(TensorData::new(moved, shape), &Device::flex());
        f64::from(scalar(&loss(Tensor::from_inner(moved))))
    };
    let differences: Vec<f32> = (0..at.len())
        .map(|i| ((value(i, step) - value(i, -step)) / f64::from(2.0 * step)) as f32)
        .collect();
    let largest = gradient.iter().fold(0.0f32, |m, g| m.max(g.abs()));
    assert!(largest > 1e-3, "{name}: a gradient that is nearly 0 proves nothing");
    for (i, (g, d)) in gradient.iter().zip(&differences).enumerate() {
        // Rounding of the loss over the step, plus curvature.
        let allowed = 1e-2 * largest + 2e-4;
        assert!((g - d).abs() <= allowed, "{name}: element {i}: gradient {g}, difference {d}");
    }
}

/// A tensor on the training device.
pub(super) fn train<const D: usize>(x: &Tensor<D>) -> Tensor<D> {
    Tensor::from_inner(x.clone())
}

/// Boxes well inside the square.
pub(super) fn some_boxes(n: usize) -> Tensor<2> {
    Tensor::cat(vec![noise([n, 2], 0.3, 0.7), noise([n, 2], 0.1, 0.5)], 1)
}

/// Boxes with edges on a lattice of 0.05 moved by `shift`: two such sets with shifts 0 and 0.025
/// have no two edges near each other, where the overlap has kinks.
fn lattice_boxes(n: usize, shift: f64) -> Tensor<2> {
    let span = || {
        let low = (uniform() * 10.0).floor();
        let high = low + 1.0 + (uniform() * 9.0).floor();
        [low, high].map(|at| at * 0.05 + shift)
    };
    let rows: Vec<f32> = (0..n)
        .map(|_| [span(), span()])
        .flat_map(|[x, y]| [(x[0] + x[1]) / 2.0, (y[0] + y[1]) / 2.0, x[1] - x[0], y[1] - y[0]])
        .map(|value| value as f32)
        .collect();
    Tensor::from_data(TensorData::new(rows, [n, 4]), &Device::flex())
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let target = lattice_boxes(8, 0.0);
    let boxes = || lattice_boxes(8, 0.025);
    check_gradient("giou", boxes(), |x| giou(x, train(&target)).giou.sum());
    check_gradient("iou", boxes(), |x| giou(x, train(&target)).iou.sum());
    let away = target.clone() + (coin([8, 4], 0.5) * 2.0 - 1.0) * noise([8, 4], 0.02, 0.3);
    check_gradient("l1", away, |x| l1(x, train(&target)));

    let (labels, valid) = (coin([3, 7], 0.5), coin([3, 7], 0.7));
    let inside = labels.clone() * valid.clone();
    let logits = || noise([3, 7], -3.0, 3.0);
    check_gradient("focal", logits(), |x| focal(x, train(&labels), train(&valid)));
    check_gradient("dice", logits(), |x| dice(x, train(&inside), train(&valid)).sum());

    let (points, seen) = (noise([2, 4, 2], 0.2, 0.8), coin([2, 4], 0.8));
    // Not so near that a step crosses the kink of the distance.
    let sides = || coin([2, 4, 2], 0.5) * 2.0 - 1.0;
    let near = || points.clone() + sides() * noise([2, 4, 2], 0.02, 0.05);
    check_gradient("keypoint l1", near(), |x| keypoint_l1(x, train(&points), train(&seen)));
    let area = noise([2], 0.1, 0.4);
    check_gradient("oks", near(), |x| {
        oks(x, train(&points), train(&seen), train(&area), &SIGMAS[5..9]).sum()
    });
    check_gradient("visibility", noise([2, 4, 2], -3.0, 3.0), |x| {
        visibility_focal(x, train(&seen))
    });

    let depth = noise([3, 7], -1.0, 2.0);
    let weight = valid.clone() / valid.clone().sum_dim(1).clamp_min(1.0);
    for lambda in [0.0, 0.5, 0.85, 1.0] {
        check_gradient("silog", logits(), |x| {
            silog(x, train(&depth), train(&weight), lambda).sum()
        });
    }
    check_gradient("log l1", logits(), |x| log_l1(x, train(&depth), train(&weight)).sum());

    let quality = noise([5], 0.0, 1.0);
    check_gradient("confidence", noise([5], -3.0, 3.0), |x| confidence(x, train(&quality)));
    let labels = Tensor::<1, Int>::from_ints([2, IGNORE as i32, 0, 4], &Device::flex());
    check_gradient("cross-entropy", noise([4, 5], -3.0, 3.0), |x| {
        cross_entropy(x, Tensor::from_inner(labels.clone()))
    });
}

#[test]
fn values_known_by_hand() {
    let device = Device::flex();
    let row = |x: &[f32]| Tensor::<1>::from_floats(x, &device).unsqueeze::<2>();
    // Two unit squares side by side: no overlap, no gap.
    let side = giou(row(&[0.5, 0.5, 1.0, 1.0]), row(&[1.5, 0.5, 1.0, 1.0]));
    assert_eq!((scalar(&side.iou), scalar(&side.giou)), (0.0, 0.0));
    // A certain and right answer costs nothing, a certain and wrong one its margin.
    let ones = row(&[1.0, 1.0]);
    let right = focal(row(&[50.0, -50.0]), row(&[1.0, 0.0]), ones.clone());
    assert!(scalar(&right).abs() < 1e-6);
    let wrong = focal(row(&[-200.0, 200.0]), row(&[1.0, 0.0]), ones);
    close(&values(wrong), &[0.25 * 200.0 + 0.75 * 200.0], 1e-5).unwrap();
    // Uniform logits: ln of the vocabulary, however many tokens are ignored.
    let labels = Tensor::<1, Int>::from_ints([0, -100, 3, -100], &device);
    let text = cross_entropy(Tensor::zeros([4, 8], &device), labels);
    close(&values(text), &[8f32.ln()], 1e-6).unwrap();
    let none = Tensor::<1, Int>::from_ints([-100, -100], &device);
    assert_eq!(scalar(&cross_entropy(Tensor::ones([2, 8], &device), none)), 0.0);
    // A factor of 2 on the whole map costs nothing in scale-free depth.
    let depth = row(&[0.1, 1.5, -0.3]);
    let weight = row(&[1.0 / 3.0; 3]);
    let doubled = depth.clone() + 2f64.ln();
    let free = silog(doubled.clone(), depth.clone(), weight.clone(), 1.0);
    assert!(scalar(&free).abs() < 1e-6);
    close(&values(log_l1(doubled.clone(), depth.clone(), weight.clone())), &[2f32.ln()], 1e-6)
        .unwrap();
    assert_eq!(scalar(&within_factor(doubled, depth.clone(), weight.clone())), 0.0);
    close(&values(within_factor(depth.clone() + 0.2, depth, weight)), &[1.0], 1e-6).unwrap();
    let iou =
        hard_iou(row(&[3.0, -1.0, 2.0, 9.0]), row(&[1.0, 1.0, 0.0, 0.0]), row(&[1., 1., 1., 0.]));
    close(&values(iou), &[1.0 / 3.0], 1e-6).unwrap();
    assert_eq!(nearest(&[1., 2., 3., 4., 5., 6.], [2, 3], [3, 2]), [1., 2., 1., 2., 4., 5.]);
}

#[test]
fn boxes_and_bodies_without_area_stay_finite() {
    let device = Device::flex().autodiff();
    let flat = Tensor::<1>::from_floats([0.5, 0.5, 0.0, 0.0], &device);
    for other in [[0.5, 0.5, 0.0, 0.0], [0.2, 0.3, 0.1, 0.4]] {
        let leaf = flat.clone().unsqueeze::<2>().require_grad();
        let other = Tensor::<1>::from_floats(other, &device).unsqueeze::<2>();
        let overlap = giou(leaf.clone(), other);
        assert_eq!(values(overlap.iou), [0.0]);
        let gradient = values(leaf.grad(&overlap.giou.sum().backward()).unwrap());
        assert!(gradient.iter().all(|g| g.is_finite()), "{gradient:?}");
    }
    let leaf = Tensor::<3>::ones([1, 2, 2], &device).require_grad();
    let seen = Tensor::ones([1, 2], &device);
    let area = Tensor::zeros([1], &device);
    let far = oks(leaf.clone(), leaf.clone().detach() * 0.5, seen, area, &[0.1, 0.1]);
    let gradient = values(leaf.grad(&far.clone().sum().backward()).unwrap());
    assert_eq!(values(far), [0.0]);
    assert!(gradient.iter().all(|g| g.is_finite()));
}

#[test]
fn the_matcher_finds_what_brute_force_finds() {
    fn permutations(n: usize) -> Vec<Vec<usize>> {
        if n == 0 {
            return vec![vec![]];
        }
        let extend = |rest: Vec<usize>| {
            (0..n).map(move |at| {
                let mut order = rest.clone();
                order.insert(at, n - 1);
                order
            })
        };
        permutations(n - 1).into_iter().flat_map(extend).collect()
    }
    for sizes in [vec![5], vec![1, 4, 0, 3], vec![2, 2, 6]] {
        let n: usize = sizes.iter().sum();
        let costs = values(noise([n, n], -1.0, 1.0));
        let cost = |i: usize, j: usize| f64::from(costs[i * n + j]);
        let found = match_groups(&sizes, cost);
        let mut start = 0;
        for size in sizes {
            let total = |order: &[usize]| -> f64 {
                order.iter().enumerate().map(|(i, j)| cost(start + i, start + j)).sum()
            };
            let own: Vec<usize> = found[start..start + size].iter().map(|j| j - start).collect();
            let best = permutations(size).iter().map(|p| total(p)).fold(f64::MAX, f64::min);
            assert!((total(&own) - best).abs() < 1e-9);
            start += size;
        }
    }
    let broken = match_groups(&[2, 2], |i, j| if i == 0 { f64::NAN } else { -((i ^ j) as f64) });
    assert_eq!(broken, [0, 1, 3, 2], "a block with NaN keeps its order, the others do not");
}

/// Outputs and targets of all units for one picture with triplets of 2 and 1 references.
pub(super) struct Case {
    pub(super) layout: QueryLayout,
    pub(super) boxes: Vec<[f32; 4]>,
    pub(super) masks: Vec<DenseTarget>,
    pub(super) bodies: Vec<PoseTarget>,
    pub(super) box_output: BoxOutput,
    pub(super) mask_output: MaskOutput,
    pub(super) pose_output: PoseOutput,
}

pub(super) const SIDE: usize = 6;

impl Case {
    pub(super) fn new() -> Self {
        let boxes = super::boxes(&values(some_boxes(3)));
        let valid: Vec<f32> =
            (0..SIDE * SIDE).map(|i| if i / SIDE < 4 { 1.0 } else { 0.0 }).collect();
        let mask = |_| DenseTarget {
            values: values(
                coin([SIDE * SIDE], 0.5) * Tensor::from_floats(&valid[..], &Device::flex()),
            ),
            valid: valid.clone(),
        };
        let body = |&bbox: &[f32; 4]| PoseTarget {
            bbox,
            keypoints: values(noise([17, 3], 0.1, 0.9)).as_chunks::<3>().0.to_vec(),
        };
        let box_output = BoxOutput {
            boxes: some_boxes(3).unsqueeze_dim(0),
            confidence: Some(noise([1, 3], -1.0, 1.0)),
            states: Tensor::zeros([1, 3, 1], &Device::flex()),
        };
        Case {
            layout: QueryLayout::new(vec![vec![2, 1]]),
            masks: (0..3).map(mask).collect(),
            bodies: boxes.iter().map(body).collect(),
            boxes,
            mask_output: MaskOutput {
                logits: noise([1, 3, SIDE, SIDE], -2.0, 2.0),
                confidence: Some(noise([1, 3], -1.0, 1.0)),
                states: Tensor::zeros([1, 3, 1], &Device::flex()),
                proposals: None,
            },
            pose_output: PoseOutput {
                stage1: box_output.clone(),
                boxes: some_boxes(3).unsqueeze_dim(0),
                keypoints: noise([1, 3, 17, 2], 0.1, 0.9),
                visibility: noise([1, 3, 17, 2], -2.0, 2.0),
                confidence: Some(noise([1, 3], -1.0, 1.0)),
                states: Tensor::zeros([1, 54, 1], &Device::flex()),
            },
            box_output,
        }
    }

    /// The losses of box, mask and pose with targets in the given order.
    fn losses(&self, order: [usize; 3], config: &LossConfig) -> Vec<UnitLoss> {
        let boxes = order.map(|i| self.boxes[i]).to_vec();
        let masks = [order.map(|i| self.masks[i].clone()).to_vec()];
        let bodies = order.map(|i| self.bodies[i].clone()).to_vec();
        let dense = DenseTargets { size: [SIDE, SIDE], rows: &masks };
        vec![
            box_loss(&self.box_output, &self.layout, &[boxes], config),
            mask_loss(&self.mask_output, &self.layout, &dense, config).unwrap(),
            pose_loss(&self.pose_output, &self.layout, &[bodies], config).unwrap(),
        ]
    }
}

#[test]
fn the_order_of_targets_counts_across_triplets_only() {
    let case = Case::new();
    let config = LossConfig::default();
    let total = |order| -> Vec<f32> {
        case.losses(order, &config).iter().map(|loss| scalar(&loss.total)).collect()
    };
    let plain = total([0, 1, 2]);
    close(&total([1, 0, 2]), &plain, 1e-6).unwrap();
    for (unit, (a, b)) in total([2, 1, 0]).iter().zip(&plain).enumerate() {
        assert!((a - b).abs() > 1e-3, "unit {unit}: {a} {b}");
    }
    let in_order = LossConfig { use_group_matcher: false, ..config.clone() };
    let swapped = case.losses([1, 0, 2], &in_order);
    for (a, b) in swapped.iter().zip(case.losses([0, 1, 2], &in_order)) {
        assert_eq!(a.assignment, [0, 1, 2]);
        assert!((scalar(&a.total) - scalar(&b.total)).abs() > 1e-3);
    }
}

#[test]
fn totals_are_the_weighted_terms() {
    let case = Case::new();
    let config = LossConfig::default();
    let weight = |unit: usize, name: &str| match (unit, name) {
        (_, "l1") => 5.0,
        (_, "giou") => 2.0,
        (_, "focal") => 20.0,
        (_, "dice") => 1.0,
        (_, "keypoints") => 2.0,
        (_, "visibility") => 1.0,
        (_, "oks") => 2.0,
        (_, "confidence") => 1.0,
        other => panic!("{other:?}"),
    };
    for (unit, loss) in case.losses([0, 1, 2], &config).iter().enumerate() {
        assert_eq!(loss.count, 3);
        let sum: f32 =
            loss.terms.iter().map(|(name, value)| weight(unit, name) * scalar(value)).sum();
        close(&[scalar(&loss.total)], &[sum], 1e-6).unwrap();
    }
}

#[test]
fn predictions_in_the_padded_band_count_nothing() {
    let mut case = Case::new();
    // Near-equal costs, so that a matcher that sees the band changes its mind; and dice alone,
    // as the band's share of the focal cost is the same for all targets.
    let logits = case.mask_output.logits.clone() * 1e-2;
    let dice = LossConfig { mask_loss_coefficient: 0.0, ..LossConfig::default() };
    let masks = [case.masks.clone()];
    let dense = DenseTargets { size: [SIDE, SIDE], rows: &masks };
    let mut loss = |logits: &Tensor<4>, config: LossConfig| {
        case.mask_output.logits = logits.clone();
        mask_loss(&case.mask_output, &case.layout, &dense, &config).unwrap()
    };
    let published = LossConfig { match_valid_cells: false, ..dice.clone() };
    let inside = logits.clone().narrow(2, 0, 4);
    let mut orders = Vec::new();
    for config in [dice, LossConfig::default()] {
        let before = loss(&logits, config.clone());
        for _ in 0..16 {
            let band = noise([1, 3, SIDE - 4, SIDE], -9.0, 9.0);
            let changed = Tensor::cat(vec![inside.clone(), band], 2);
            let after = loss(&changed, config.clone());
            assert_eq!(after.assignment, before.assignment);
            close(&values(after.total), &values(before.total.clone()), 1e-6).unwrap();
            orders.push(loss(&changed, published.clone()).assignment);
        }
        let changed = loss(&(logits.clone() + 0.5), config);
        assert!((scalar(&changed.total) - scalar(&before.total)).abs() > 1e-3);
    }
    orders.dedup();
    assert!(orders.len() > 1, "the published matcher compares the band too");
}

#[test]
fn unknown_depth_counts_nothing() {
    let prediction = Tensor::<4>::from_inner(noise([1, 2, 2, 3], -1.0, 1.0)).require_grad();
    let output = DepthOutput { log_depth: prediction.clone(), confidence: None };
    let layout = QueryLayout::new(vec![vec![1, 1]]);
    let known = DenseTarget {
        values: vec![0.2, f32::NEG_INFINITY, 0.4, 0.1, f32::NAN, 0.3],
        valid: vec![1.0, 0.0, 1.0, 1.0, 0.0, 1.0],
    };
    let unknown = DenseTarget { values: vec![7.0; 6], valid: vec![0.0; 6] };
    let rows = [vec![known, unknown]];
    let dense = DenseTargets { size: [2, 3], rows: &rows };
    let loss = depth_loss(&output, &layout, &dense, &LossConfig::default()).unwrap();
    let x = values(prediction.clone());
    let d: Vec<f32> = [(0, 0.2), (2, 0.4), (3, 0.1), (5, 0.3)].map(|(i, y)| x[i] - y).to_vec();
    let mean = |f: &dyn Fn(f32) -> f32| d.iter().map(|&d| f(d)).sum::<f32>() / 4.0;
    let expected = mean(&|d| d * d) - 0.5 * mean(&|d| d).powi(2) + mean(&f32::abs);
    close(&[scalar(&loss.total)], &[expected / 2.0], 1e-5).unwrap();
    let gradient = values(prediction.grad(&loss.total.backward()).unwrap());
    for i in [1, 4, 6, 7, 8, 9, 10, 11] {
        assert_eq!(gradient[i], 0.0);
    }
    assert!(gradient.iter().filter(|g| **g != 0.0).count() == 4);
}

#[test]
fn targets_of_the_wrong_shape_are_refused() {
    let case = Case::new();
    let config = LossConfig::default();
    let refuse = |target: DenseTarget| {
        let rows = [vec![case.masks[0].clone(), target]];
        let dense = DenseTargets { size: [SIDE, SIDE], rows: &rows };
        mask_loss(&case.mask_output, &case.layout, &dense, &config).unwrap_err()
    };
    let want = SIDE * SIDE;
    let short = refuse(DenseTarget { values: vec![0.0; 5], valid: vec![] });
    assert_eq!(short, TargetError::Cells { row: 0, index: 1, what: "map", got: 5, want });
    let short = refuse(DenseTarget { values: vec![0.0; want], valid: vec![1.0] });
    assert_eq!(short, TargetError::Cells { row: 0, index: 1, what: "validity", got: 1, want });
    let mut bodies = case.bodies.clone();
    bodies[2].keypoints.pop();
    let error = pose_loss(&case.pose_output, &case.layout, &[bodies], &config).unwrap_err();
    assert_eq!(error, TargetError::Points { row: 0, index: 2, got: 16, want: 17 });
    let config = LossConfig { keypoint_sigmas: vec![0.1; 14], ..config };
    let bodies = [case.bodies.clone()];
    let error = pose_loss(&case.pose_output, &case.layout, &bodies, &config).unwrap_err();
    assert_eq!(error, TargetError::Sigmas { got: 14, want: 17 });
}
