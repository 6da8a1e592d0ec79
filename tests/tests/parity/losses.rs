//! The losses against reference tensors, finite differences and brute force.
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use refvlm_model::decoding::{
    BoxDecoder, BoxOutput, DecoderConfig, DepthDecoder, DepthOutput, MaskDecoder, MaskOutput,
    PoseDecoder, PoseOutput, QueryLayout, QueryMask,
};
use refvlm_model::learning::losses::{
    DenseTarget, DenseTargets, IGNORE, LossConfig, MaskCosts, PoseTarget, TargetError, UnitLoss,
    box_cost, box_loss, confidence, cross_entropy, depth_loss, dice, focal, giou, hard_iou,
    host_giou, keypoint_l1, l1, log_l1, mask_loss, match_groups, nearest, oks, pose_loss, silog,
    visibility_focal, within_factor,
};
use refvlm_model::vision::tokens_to_map;
use refvlm_record::coco::SIGMAS;
use refvlm_tests::{Fixture, close, load_weights, of_losses};

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().convert::<f32>().try_to_vec().unwrap()
}

fn scalar(x: &Tensor<1>) -> f32 {
    x.clone().into_scalar()
}

fn term(loss: &UnitLoss, name: &str) -> Tensor<1> {
    loss.terms.iter().find(|(term, _)| *term == name).unwrap().1.clone()
}

fn assert_host(fixture: &Fixture, key: &str, actual: Vec<f32>) {
    let expected = fixture.floats(key);
    assert_eq!(actual.len(), expected.len(), "{key}");
    if let Err(message) = close(&actual, &expected, fixture.tolerance("out")) {
        panic!("{}: {key}: {message}", fixture.name);
    }
}

/// The visual maps of a case as trainable leaves and as the selected maps.
struct Visual {
    leaves: Vec<(String, Leaf)>,
    maps: Vec<Tensor<4>>,
}

enum Leaf {
    Map(Tensor<4>),
    Tokens(Tensor<3>),
}

impl Visual {
    fn open(fixture: &Fixture, index: &[usize], device: &Device) -> Self {
        let layout: Vec<(usize, usize, String)> = fixture.setting("visual_maps");
        let mut visual = Visual { leaves: Vec::new(), maps: Vec::new() };
        for &i in index {
            let (name, side) = (format!("visual.{i}"), layout[i].1);
            if layout[i].2 == "BLC" {
                let leaf = fixture.tensor::<3>(&format!("in.{name}"), device).require_grad();
                visual.maps.push(tokens_to_map(leaf.clone(), [side, side]));
                visual.leaves.push((name, Leaf::Tokens(leaf)));
            } else {
                let leaf = fixture.tensor::<4>(&format!("in.{name}"), device).require_grad();
                visual.maps.push(leaf.clone());
                visual.leaves.push((name, Leaf::Map(leaf)));
            }
        }
        visual
    }
}

/// Compares every stored gradient: of weights, maps and reference states.
fn assert_gradients<M: Module>(
    fixture: &Fixture,
    loss: &Tensor<1>,
    module: &M,
    visual: &Visual,
    refs: &Tensor<3>,
) {
    let gradients = loss.backward();
    fixture.assert_weight_gradients(module, &gradients);
    let leaf = |name: &str, gradient: TensorData| {
        let key = format!("grad.{name}");
        if fixture.has(&key) {
            let device = Device::flex();
            fixture.assert_close(&key, Tensor::<1>::from_data(flat(gradient), &device));
        }
    };
    leaf("ref_hidden_states", refs.grad(&gradients).unwrap().into_data());
    for (name, tensor) in &visual.leaves {
        let gradient = match tensor {
            Leaf::Map(map) => map.grad(&gradients).unwrap().into_data(),
            Leaf::Tokens(tokens) => tokens.grad(&gradients).unwrap().into_data(),
        };
        leaf(name, gradient);
    }
}

fn flat(data: TensorData) -> TensorData {
    let values: Vec<f32> = data.try_to_vec().unwrap();
    TensorData::new(values.clone(), [values.len()])
}

/// What survived of the references, and the labels of each picture before cutting.
fn layout_and_labels<T: Clone>(fixture: &Fixture, labels: &[T]) -> (QueryLayout, Vec<Vec<T>>) {
    let groups: Vec<Vec<usize>> = fixture.setting("groups");
    let counts: Vec<usize> = fixture.setting("ref_counts");
    let mut start = 0;
    let rows = groups.iter().map(|sizes| {
        let end = start + sizes.iter().sum::<usize>();
        let row = labels[start..end].to_vec();
        start = end;
        row
    });
    let rows = rows.collect();
    assert_eq!(start, labels.len());
    let layout = QueryLayout::new(groups).limited(|row| counts[row]);
    let sizes: Vec<i64> = layout.group_sizes().iter().map(|&size| size as i64).collect();
    assert_eq!(sizes, fixture.ints("out.slices"));
    (layout, rows)
}

fn boxes(flat: &[f32]) -> Vec<[f32; 4]> {
    flat.as_chunks::<4>().0.to_vec()
}

fn assignment(loss: &UnitLoss) -> Vec<i64> {
    loss.assignment.iter().map(|&target| target as i64).collect()
}

fn box_costs(predictions: &[[f32; 4]], targets: &[[f32; 4]], config: &LossConfig) -> Vec<f32> {
    let (l1, giou) = (config.bbox_loss_coefficient, config.giou_loss_coefficient);
    let pairs = predictions.iter().flat_map(|&p| targets.iter().map(move |&t| (p, t)));
    pairs.map(|(p, t)| box_cost(p, t, l1, giou) as f32).collect()
}

fn published(config: DecoderConfig) -> DecoderConfig {
    DecoderConfig { query_mask: QueryMask::Reference, ..config }
}

#[test]
fn box_losses_of_the_reference() {
    let Some(fixture) = Fixture::open_for("box_decoder", of_losses) else { return };
    let device = Device::flex().autodiff();
    let config = published(fixture.config());
    let weights: LossConfig = fixture.config();
    let decoder = load_weights(BoxDecoder::new(&config, &device).unwrap(), &fixture);
    let visual = Visual::open(&fixture, &config.encoder_input_index, &device);
    let refs = fixture.tensor::<3>("in.ref_hidden_states", &device).require_grad();
    let (layout, targets) =
        layout_and_labels(&fixture, &boxes(&fixture.floats("in.labels_cxcywh")));

    let out = decoder.forward(&visual.maps, refs.clone(), &layout);
    let predicted = boxes(&fixture.floats("out.pred_boxes"));
    let kept = boxes(&fixture.floats("out.target_boxes"));
    assert_host(&fixture, "out.cost", box_costs(&predicted, &kept, &weights));
    let loss = box_loss(&out, &layout, &targets, &weights);
    assert_eq!(assignment(&loss), fixture.ints("out.match_target"));
    fixture.assert_close("out.loss_bbox", term(&loss, "l1"));
    fixture.assert_close("out.loss_giou", term(&loss, "giou"));
    fixture.assert_close("out.loss", loss.total.clone());
    assert_gradients(&fixture, &loss.total, &decoder, &visual, &refs);

    let in_order = LossConfig { use_group_matcher: false, ..weights };
    let loss = box_loss(&out, &layout, &targets, &in_order);
    fixture.assert_close("out.nomatch.loss_bbox", term(&loss, "l1"));
    fixture.assert_close("out.nomatch.loss_giou", term(&loss, "giou"));
    fixture.assert_close("out.nomatch.loss", loss.total);
}

#[test]
fn mask_losses_of_the_reference() {
    let Some(fixture) = Fixture::open_for("mask_decoder", of_losses) else { return };
    let device = Device::flex().autodiff();
    let config = published(fixture.config());
    let weights = LossConfig { match_valid_cells: false, ..fixture.config() };
    let decoder = load_weights(MaskDecoder::new(&config, &device).unwrap(), &fixture);
    let visual = Visual::open(&fixture, &config.encoder_input_index, &device);
    let refs = fixture.tensor::<3>("in.ref_hidden_states", &device).require_grad();

    let side: usize = fixture.setting("label_size");
    let labels = fixture.floats("in.labels");
    let labels: Vec<Vec<f32>> = labels.chunks(side * side).map(<[f32]>::to_vec).collect();
    let (layout, labels) = layout_and_labels(&fixture, &labels);
    let valid = fixture.floats("in.pixel_masks");
    let targets: Vec<Vec<DenseTarget>> = labels
        .into_iter()
        .zip(valid.chunks(side * side))
        .map(|(masks, valid)| {
            let target = |values| DenseTarget { values, valid: valid.to_vec() };
            masks.into_iter().map(target).collect()
        })
        .collect();
    let dense = DenseTargets { size: [side, side], rows: &targets };

    let shape = fixture.shape("out.pred_logits");
    let (n, size) = (shape[0], [shape[1], shape[2]]);
    let kept: Vec<&DenseTarget> = targets
        .iter()
        .enumerate()
        .flat_map(|(row, masks)| &masks[..layout.row_count(row)])
        .collect();
    let small: Vec<Vec<f32>> =
        kept.iter().map(|mask| nearest(&mask.values, [side, side], size)).collect();
    assert_eq!(small.concat(), fixture.floats("out.targets_nearest"));
    let logits = fixture.floats("out.pred_logits");
    let cost: Vec<f32> = logits
        .chunks(size[0] * size[1])
        .map(|logits| MaskCosts::new(logits, |_| true))
        .flat_map(|costs| small.iter().map(move |mask| costs.against(mask)).collect::<Vec<_>>())
        .map(|(focal, dice)| {
            weights.mask_loss_coefficient * focal + weights.dice_loss_coefficient * dice
        })
        .map(|cost| cost as f32)
        .collect();
    assert_host(&fixture, "out.cost", cost);

    let out = decoder.forward(&visual.maps, refs.clone(), &layout);
    let loss = mask_loss(&out, &layout, &dense, &weights).unwrap();
    assert_eq!(assignment(&loss), fixture.ints("out.match_target"));
    fixture.assert_close("out.loss_mask", term(&loss, "focal"));
    fixture.assert_close("out.loss_dice", term(&loss, "dice"));
    fixture.assert_close("out.loss", loss.total.clone());
    assert_gradients(&fixture, &loss.total, &decoder, &visual, &refs);

    let in_order = LossConfig { use_group_matcher: false, ..weights.clone() };
    let loss = mask_loss(&out, &layout, &dense, &in_order).unwrap();
    fixture.assert_close("out.nomatch.loss_mask", term(&loss, "focal"));
    fixture.assert_close("out.nomatch.loss_dice", term(&loss, "dice"));
    fixture.assert_close("out.nomatch.loss", loss.total);

    // The gradient of the logits themselves, with all references in one row.
    let leaf = fixture.tensor::<3>("out.pred_logits", &device).require_grad();
    let logits = leaf.clone().unsqueeze_dim::<4>(0);
    let out = MaskOutput {
        logits,
        confidence: None,
        states: Tensor::zeros([1, n, 1], &device),
        proposals: None,
    };
    let one = QueryLayout::new(vec![layout.group_sizes()]);
    let row = [kept.into_iter().cloned().collect::<Vec<_>>()];
    let dense = DenseTargets { size: [side, side], rows: &row };
    let loss = mask_loss(&out, &one, &dense, &weights).unwrap();
    fixture.assert_close("grad.pred_logits", leaf.grad(&loss.total.backward()).unwrap());
}

#[test]
fn pose_losses_of_the_reference() {
    let Some(fixture) = Fixture::open_for("pose_decoder", of_losses) else { return };
    let device = Device::flex().autodiff();
    let config = published(DecoderConfig {
        decoder_layers: fixture.setting("box_layers"),
        kpt_decoder_layers: fixture.setting("kpt_layers"),
        decoder_ffn_dim: fixture.setting("ffn"),
        decoder_attention_heads: fixture.setting("heads"),
        ..fixture.config()
    });
    let decoder = load_weights(PoseDecoder::new(&config, &device).unwrap(), &fixture);
    let visual = Visual::open(&fixture, &config.encoder_input_index, &device);
    let refs = fixture.tensor::<3>("in.ref_hidden_states", &device).require_grad();
    let points = fixture.floats("in.labels_keypoints");
    let bodies: Vec<PoseTarget> = boxes(&fixture.floats("in.labels_cxcywh"))
        .into_iter()
        .zip(points.chunks(config.num_body_points * 3))
        .map(|(bbox, points)| PoseTarget { bbox, keypoints: points.as_chunks::<3>().0.to_vec() })
        .collect();
    let (layout, targets) = layout_and_labels(&fixture, &bodies);

    let out = decoder.forward(&visual.maps, refs.clone(), &layout);
    // Stored losses lack the similarity, which the reference computes wrongly.
    let weights = LossConfig { oks_loss_coefficient: 0.0, ..LossConfig::default() };
    let loss = pose_loss(&out, &layout, &targets, &weights).unwrap();
    assert_eq!(assignment(&loss), fixture.ints("out.match_target"));
    fixture.assert_close("out.loss_bbox", term(&loss, "l1"));
    fixture.assert_close("out.loss_giou", term(&loss, "giou"));
    fixture.assert_close("out.loss_keypoints", term(&loss, "keypoints"));
    fixture.assert_close("out.loss_ce", term(&loss, "visibility"));
    fixture.assert_close("out.loss_sound", loss.total.clone());
    assert_gradients(&fixture, &loss.total, &decoder, &visual, &refs);

    let stored = fixture.floats("out.oks");
    let valid = fixture.bytes("out.oks_valid");
    let known = valid.iter().filter(|&&v| v == 1).count() as f32;
    let mean = stored.iter().zip(&valid).map(|(oks, &v)| oks * f32::from(v)).sum::<f32>() / known;
    let tolerance = fixture.tolerance("out");
    close(&values(term(&loss, "oks")), &[1.0 - mean], tolerance).unwrap();

    let predicted = boxes(&values(layout.select::<3, 2>(out.boxes)));
    let kept: Vec<[f32; 4]> = targets
        .iter()
        .enumerate()
        .flat_map(|(row, bodies)| &bodies[..layout.row_count(row)])
        .map(|body| body.bbox)
        .collect();
    assert_host(&fixture, "out.cost", box_costs(&predicted, &kept, &weights));
}

#[test]
fn matcher_costs_and_terms_of_the_reference() {
    let Some(fixture) = Fixture::open("matcher") else { return };
    let slices: Vec<Vec<usize>> = fixture.setting("slices");
    let ties: usize = fixture.setting("ties_case");
    assert!(!slices.is_empty());
    for (case, sizes) in slices.iter().enumerate() {
        let cost = fixture.floats(&format!("in.cost.{case}"));
        let n = sizes.iter().sum::<usize>();
        let found = match_groups(sizes, |i, j| f64::from(cost[i * n + j]));
        let total = found.iter().enumerate().map(|(i, &j)| cost[i * n + j]).sum();
        assert_host(&fixture, &format!("out.total.{case}"), vec![total]);
        let found: Vec<i64> = found.iter().map(|&j| j as i64).collect();
        if case == ties {
            // Any permutation inside the groups of the same total is right.
            let mut found = found;
            let mut stored = fixture.ints(&format!("out.assign.{case}_ties"));
            let mut start = 0;
            for &size in sizes {
                found[start..start + size].sort_unstable();
                stored[start..start + size].sort_unstable();
                start += size;
            }
            assert_eq!(found, stored);
        } else {
            assert_eq!(found, fixture.ints(&format!("out.assign.{case}")));
        }
    }

    let device = Device::flex().autodiff();
    let weights = LossConfig { match_valid_cells: false, ..LossConfig::default() };
    let in_order = LossConfig { use_group_matcher: false, ..weights.clone() };
    let sizes = |key: &str| -> Vec<usize> {
        fixture.ints(key).into_iter().map(|size| size as usize).collect()
    };

    let predicted = boxes(&fixture.floats("in.pred_boxes"));
    let targets = boxes(&fixture.floats("in.target_boxes"));
    let pairs = || predicted.iter().flat_map(|&p| targets.iter().map(move |&t| (p, t)));
    let map = |f: &dyn Fn([f32; 4], [f32; 4]) -> f64| -> Vec<f32> {
        pairs().map(|(p, t)| f(p, t) as f32).collect()
    };
    assert_host(&fixture, "out.iou", map(&|p, t| host_giou(p, t).0));
    assert_host(&fixture, "out.giou", map(&|p, t| host_giou(p, t).1));
    assert_host(&fixture, "out.l1", map(&|p, t| box_cost(p, t, 1.0, 0.0)));
    assert_host(&fixture, "out.box_cost", box_costs(&predicted, &targets, &weights));
    let leaf = fixture.tensor::<2>("in.pred_boxes", &device).require_grad();
    let out = BoxOutput {
        boxes: leaf.clone().unsqueeze_dim(0),
        confidence: None,
        states: Tensor::zeros([1, 1, 1], &device),
    };
    let layout = QueryLayout::new(vec![sizes("out.box_slices")]);
    let loss = box_loss(&out, &layout, std::slice::from_ref(&targets), &weights);
    assert_eq!(assignment(&loss), fixture.ints("out.box_assign"));
    let loss = box_loss(&out, &layout, &[targets], &in_order);
    fixture.assert_close("out.loss_bbox", term(&loss, "l1"));
    fixture.assert_close("out.loss_giou", term(&loss, "giou"));
    fixture.assert_close("grad.pred_boxes", leaf.grad(&loss.total.backward()).unwrap());

    let size: [usize; 2] = fixture.setting("mask_hw");
    let cells = size[0] * size[1];
    let (labels, valid) = (fixture.floats("in.mask_labels"), fixture.floats("in.mask_valid"));
    let masks: Vec<DenseTarget> = labels
        .chunks(cells)
        .zip(valid.chunks(cells))
        .map(|(mask, valid)| DenseTarget { values: mask.to_vec(), valid: valid.to_vec() })
        .collect();
    let costs: Vec<(f64, f64)> = fixture
        .floats("in.mask_logits")
        .chunks(cells)
        .map(|logits| MaskCosts::new(logits, |_| true))
        .flat_map(|c| masks.iter().map(move |mask| c.against(&mask.values)).collect::<Vec<_>>())
        .collect();
    let each = |f: &dyn Fn(f64, f64) -> f64| -> Vec<f32> {
        costs.iter().map(|&(focal, dice)| f(focal, dice) as f32).collect()
    };
    assert_host(&fixture, "out.mask_focal_pair", each(&|focal, _| focal));
    assert_host(&fixture, "out.mask_dice_pair", each(&|_, dice| dice));
    assert_host(&fixture, "out.mask_cost", each(&|focal, dice| 20.0 * focal + dice));
    let leaf = fixture.tensor::<3>("in.mask_logits", &device).require_grad();
    let out = MaskOutput {
        logits: leaf.clone().unsqueeze_dim(0),
        confidence: None,
        states: Tensor::zeros([1, 1, 1], &device),
        proposals: None,
    };
    let layout = QueryLayout::new(vec![sizes("out.mask_slices")]);
    let rows = [masks];
    let dense = DenseTargets { size, rows: &rows };
    let loss = mask_loss(&out, &layout, &dense, &weights).unwrap();
    assert_eq!(assignment(&loss), fixture.ints("out.mask_assign"));
    let loss = mask_loss(&out, &layout, &dense, &in_order).unwrap();
    fixture.assert_close("out.loss_mask", term(&loss, "focal"));
    fixture.assert_close("out.loss_dice", term(&loss, "dice"));
    fixture.assert_close("grad.mask_logits", leaf.grad(&loss.total.backward()).unwrap());

    // Three bodies of the points given; class 1 says "labelled".
    let leaf = fixture.tensor::<2>("in.cls_logits", &device).require_grad();
    let labelled = fixture.tensor::<2>("in.cls_onehot", &device).narrow(1, 1, 1);
    let rows = leaf.dims()[0];
    let points = SIGMAS.len();
    let n = rows / points;
    let value =
        visibility_focal(leaf.clone().reshape([n, points, 2]), labelled.reshape([n, points]));
    fixture.assert_close("out.pose_focal", value.clone());
    fixture.assert_close("grad.cls_logits", leaf.grad(&value.backward()).unwrap());
}

#[test]
fn similarity_of_the_reference() {
    let Some(fixture) = Fixture::open("oks") else { return };
    let device = Device::flex();
    let target = fixture.tensor::<3>("in.target_keypoints", &device);
    let labelled = target.clone().narrow(2, 2, 1).greater_elem(0.0).float().squeeze_dim::<2>(2);
    let sizes = fixture.tensor::<2>("in.target_boxes", &device).narrow(1, 2, 2);
    let area = sizes.prod_dim(1).squeeze_dim::<1>(1);
    let predicted = fixture.tensor("in.pred_keypoints", &device);
    let at = target.narrow(2, 0, 2);
    let similarity = oks(predicted, at, labelled.clone(), area, &SIGMAS);
    fixture.assert_close("out.oks", similarity);
    let valid = values(labelled.max_dim(1));
    assert_eq!(valid, fixture.floats("out.valid"));
}

mod learning;
mod properties;
