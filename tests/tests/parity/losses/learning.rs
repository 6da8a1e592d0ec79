//! What the losses do to the weights of the decoders.

use super::properties::*;
use super::*;
use burn::module::{ModuleVisitor, Param};
use burn::tensor::Gradients;

/// Whether each parameter has a gradient, and its largest element.
fn gradients<M: Module>(module: &M, loss: &Tensor<1>) -> Vec<(String, Option<f32>)> {
    struct Look<'a>(&'a Gradients, Vec<String>, Vec<(String, Option<f32>)>);
    impl ModuleVisitor for Look<'_> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.1.push(name.into());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.1.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = param.val().grad(self.0).map(|g| g.abs().max().into_scalar::<f32>());
            self.2.push((self.1.join("."), gradient));
        }
    }
    let gradients = loss.backward();
    let mut look = Look(&gradients, Vec::new(), Vec::new());
    module.visit(&mut look);
    look.2
}

#[test]
fn every_weight_learns_and_stays_in_the_graph_without_targets() {
    let device = Device::flex().autodiff();
    let config = DecoderConfig {
        num_queries: 4,
        quries_input_dim: 6,
        encoder_input_index: vec![0, 1],
        encoder_input_dim: vec![3, 5],
        decoder_layers: 1,
        decoder_ffn_dim: 8,
        decoder_attention_heads: 2,
        d_model: 8,
        fpn_feature_size: 8,
        mask_feature_size: 8,
        norm_groups: 2,
        confidence: true,
        ..DecoderConfig::default()
    };
    let maps = [noise([1, 3, 6, 6], -1.0, 1.0), noise([1, 5, 3, 3], -1.0, 1.0)];
    let maps = maps.map(Tensor::from_inner);
    let refs = Tensor::from_inner(noise([1, 3, 6], -1.0, 1.0));
    let case = Case::new();
    let rows = [case.masks.clone()];
    let dense = DenseTargets { size: [SIDE, SIDE], rows: &rows };
    let empty = DenseTargets { size: [SIDE, SIDE], rows: &[vec![]] };
    let weights = LossConfig::default();
    let layout = &case.layout;

    let check = |unit: &str, some: Vec<(String, Option<f32>)>, none: Vec<(String, Option<f32>)>| {
        for ((name, some), (_, none)) in some.iter().zip(&none) {
            // The first stage's boxes are not supervised, and a shift common to all scores of a
            // softmax has no effect.
            if name.starts_with("box_decoder.predictor") || name.ends_with("k_proj.bias") {
                continue;
            }
            assert!(some.is_some_and(|g| g > 0.0 && g.is_finite()), "{unit} {name}: {some:?}");
            assert_eq!(*none, Some(0.0), "{unit} {name} without targets");
        }
    };

    let decoder = BoxDecoder::new(&config, &device).unwrap();
    let loss = |targets: &[Vec<[f32; 4]>]| {
        let out = decoder.forward(&maps, refs.clone(), layout);
        box_loss(&out, layout, targets, &weights)
    };
    let (some, none) = (loss(std::slice::from_ref(&case.boxes)), loss(&[]));
    assert_eq!((none.count, scalar(&none.total)), (0, 0.0));
    check("box", gradients(&decoder, &some.total), gradients(&decoder, &none.total));

    let decoder = MaskDecoder::new(&config, &device).unwrap();
    let loss = |targets: &DenseTargets| {
        let out = decoder.forward(&maps, refs.clone(), layout);
        mask_loss(&out, layout, targets, &weights).unwrap()
    };
    let (some, none) = (loss(&dense), loss(&empty));
    check("mask", gradients(&decoder, &some.total), gradients(&decoder, &none.total));

    let decoder = DepthDecoder::new(&config, &device).unwrap();
    let loss = |targets: &DenseTargets| {
        let out = decoder.forward(&maps, refs.clone(), layout);
        depth_loss(&out, layout, targets, &weights).unwrap()
    };
    let (some, none) = (loss(&dense), loss(&empty));
    check("depth", gradients(&decoder, &some.total), gradients(&decoder, &none.total));

    let decoder = PoseDecoder::new(&config, &device).unwrap();
    let loss = |targets: &[Vec<PoseTarget>]| {
        let out = decoder.forward(&maps, refs.clone(), layout);
        pose_loss(&out, layout, targets, &weights).unwrap()
    };
    let (some, none) = (loss(std::slice::from_ref(&case.bodies)), loss(&[]));
    check("pose", gradients(&decoder, &some.total), gradients(&decoder, &none.total));
}

#[test]
fn confidence_learns_the_overlap() {
    let device = Device::flex().autodiff();
    let target = [0.5, 0.5, 0.4, 0.4];
    // Half the width at the same centre: IoU 1/2.
    let boxes = Tensor::<1>::from_floats([0.5, 0.5, 0.2, 0.4], &device).reshape([1, 1, 4]);
    let leaf = Tensor::<2>::zeros([1, 1], &device).require_grad();
    let slope = |logit: Tensor<2>, boxes: Tensor<3>| {
        let states = Tensor::zeros([1, 1, 1], &device);
        let output = BoxOutput { boxes, confidence: Some(logit), states };
        let layout = QueryLayout::new(vec![vec![1]]);
        let loss = box_loss(&output, &layout, &[vec![target]], &LossConfig::default());
        values(leaf.grad(&loss.total.backward()).unwrap())[0]
    };
    // σ(0) = 1/2 is right; for a perfect box it is too low by 1/2.
    assert!(slope(leaf.clone(), boxes).abs() < 1e-6);
    let perfect = Tensor::<1>::from_floats(target, &device).reshape([1, 1, 4]);
    assert!((slope(leaf.clone(), perfect) + 0.5).abs() < 1e-6);
}
