//! TinyViT. No tensors of the published encoder are at hand, so a second computation stands in
//! for them: plain loops in f64 over the weights by their published names.
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use refvlm_model::package::by_name::{load_by_name, names};
use refvlm_model::sam::{TinyVit, TinyVitConfig};
use refvlm_tests::close;
use std::collections::HashMap;

/// Stages with and without window padding, several heads, a last stage at the same resolution.
fn small() -> TinyVitConfig {
    TinyVitConfig {
        img_size: 48,
        embed_dims: vec![6, 8, 12, 16],
        depths: vec![2, 2, 1, 1],
        num_heads: vec![1, 2, 3, 4],
        window_sizes: vec![7, 4, 3, 2],
        mlp_ratio: 2.0,
        mbconv_expand_ratio: 3.0,
        local_conv_size: 3,
        out_chans: 8,
    }
}

type Weights = HashMap<String, (Vec<usize>, Vec<f64>)>;

/// An encoder whose every tensor is drawn, also those that start as zeros and ones.
fn drawn(config: &TinyVitConfig, device: &Device) -> (TinyVit, Weights) {
    device.seed(11);
    let mut weights = Weights::new();
    let (encoder, report) = load_by_name(TinyVit::new(config, device), &mut |name, shape| {
        let count = shape.iter().product::<usize>();
        let fan_in = shape[1..].iter().product::<usize>().max(4);
        let std =
            if name.contains("attention_biases") { 1.0 } else { 1.4 / (fan_in as f64).sqrt() };
        let values = Tensor::<1>::random([count], Distribution::Normal(0.0, std), device);
        let scale = name.ends_with("running_var") || (shape.len() == 1 && name.ends_with("weight"));
        let values = if scale { values.abs() + 0.6 } else { values };
        let data = TensorData::new(values.into_data().try_to_vec::<f32>().unwrap(), shape.to_vec());
        let stored = data.iter::<f64>().collect();
        weights.insert(name.to_string(), (shape.to_vec(), stored));
        Some(data)
    });
    assert!(report.is_complete());
    (encoder, weights)
}

/// A map `[channels][y][x]`.
type Map = Vec<Vec<Vec<f64>>>;

/// `x Φ(x)`, erf by its series of positive terms.
fn gelu(x: f64) -> f64 {
    if x.abs() > 8.0 {
        return x.max(0.0);
    }
    let z = x / std::f64::consts::SQRT_2;
    let (mut term, mut sum, mut n) = (z, z, 0.0);
    while term.abs() > 1e-18 && n < 500.0 {
        n += 1.0;
        term *= 2.0 * z * z / (2.0 * n + 1.0);
        sum += term;
    }
    let erf = 2.0 / std::f64::consts::PI.sqrt() * (-z * z).exp() * sum;
    x * 0.5 * (1.0 + erf)
}

fn each(map: &Map, f: impl Fn(f64) -> f64) -> Map {
    map.iter().map(|c| c.iter().map(|r| r.iter().map(|&v| f(v)).collect()).collect()).collect()
}

fn add(a: &Map, b: &Map) -> Map {
    let mut sum = a.clone();
    for (c, plane) in sum.iter_mut().enumerate() {
        for (y, row) in plane.iter_mut().enumerate() {
            row.iter_mut().enumerate().for_each(|(x, v)| *v += b[c][y][x]);
        }
    }
    sum
}

struct Net {
    weights: Weights,
}

impl Net {
    fn get(&self, key: &str) -> &(Vec<usize>, Vec<f64>) {
        self.weights.get(key).unwrap_or_else(|| panic!("no weight {key}"))
    }

    fn vec(&self, key: &str) -> &[f64] {
        &self.get(key).1
    }

    fn conv(&self, key: &str, x: &Map, stride: usize) -> Map {
        let (shape, weight) = self.get(key);
        let [d_out, d_in, side, _] = shape[..] else { panic!("{key}: {shape:?}") };
        let (groups, h, w) = (x.len() / d_in, x[0].len(), x[0][0].len());
        let (around, per_group) = ((side / 2) as isize, d_out / groups);
        let at = |c: usize, y: isize, x_: isize| -> f64 {
            let inside = (0..h as isize).contains(&y) && (0..w as isize).contains(&x_);
            if inside { x[c][y as usize][x_ as usize] } else { 0.0 }
        };
        let value = |o: usize, y: usize, x_: usize| -> f64 {
            let mut sum = 0.0;
            for i in 0..d_in {
                for ky in 0..side {
                    for kx in 0..side {
                        let k = weight[((o * d_in + i) * side + ky) * side + kx];
                        let y = (y * stride + ky) as isize - around;
                        let x_ = (x_ * stride + kx) as isize - around;
                        sum += k * at(o / per_group * d_in + i, y, x_);
                    }
                }
            }
            sum
        };
        let (h, w) = (h.div_ceil(stride), w.div_ceil(stride));
        let plane = |o| (0..h).map(|y| (0..w).map(|x| value(o, y, x)).collect()).collect();
        (0..d_out).map(plane).collect()
    }

    /// Convolution, then batch norm, one after the other.
    fn conv_norm(&self, key: &str, x: &Map, stride: usize) -> Map {
        let mut y = self.conv(&format!("{key}.c.weight"), x, stride);
        let part = |name: &str| self.vec(&format!("{key}.bn.{name}"));
        for (c, plane) in y.iter_mut().enumerate() {
            let scale = part("weight")[c] / (part("running_var")[c] + 1e-5).sqrt();
            let (mean, shift) = (part("running_mean")[c], part("bias")[c]);
            plane.iter_mut().flatten().for_each(|v| *v = (*v - mean) * scale + shift);
        }
        y
    }

    fn norm(&self, key: &str, x: &[f64], eps: f64) -> Vec<f64> {
        let n = x.len() as f64;
        let mean = x.iter().sum::<f64>() / n;
        let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        let (weight, bias) = (self.vec(&format!("{key}.weight")), self.vec(&format!("{key}.bias")));
        let scale = (variance + eps).sqrt();
        x.iter()
            .zip(weight.iter().zip(bias))
            .map(|(v, (w, b))| (v - mean) / scale * w + b)
            .collect()
    }

    fn linear(&self, key: &str, x: &[f64]) -> Vec<f64> {
        let weight = self.vec(&format!("{key}.weight"));
        let dot = |row: &[f64]| row.iter().zip(x).map(|(a, b)| a * b).sum::<f64>();
        let bias = self.vec(&format!("{key}.bias"));
        weight.chunks(x.len()).zip(bias).map(|(row, b)| dot(row) + b).collect()
    }

    /// Queries, keys and values of a cell; of nothing but zeros outside of the map.
    fn qkv(&self, key: &str, x: &Map, y: usize, x_: usize) -> Vec<f64> {
        let inside = y < x[0].len() && x_ < x[0][0].len();
        let cell: Vec<f64> =
            x.iter().map(|plane| if inside { plane[y][x_] } else { 0.0 }).collect();
        self.linear(&format!("{key}.qkv"), &self.norm(&format!("{key}.norm"), &cell, 1e-5))
    }

    fn attention(&self, key: &str, x: &Map, heads: usize, window: usize) -> Map {
        let (dim, h, w) = (x.len(), x[0].len(), x[0][0].len());
        let width = dim / heads;
        let biases = self.vec(&format!("{key}.attention_biases"));
        let mut out = vec![vec![vec![0.0; w]; h]; dim];
        for cell in 0..h * w {
            let (y, x_) = (cell / w, cell % w);
            let own = self.qkv(key, x, y, x_);
            let (top, left) = (y / window * window, x_ / window * window);
            let cells: Vec<(usize, usize)> =
                (0..window * window).map(|i| (top + i / window, left + i % window)).collect();
            let others: Vec<Vec<f64>> =
                cells.iter().map(|&(r, c)| self.qkv(key, x, r, c)).collect();
            let mut mixed = vec![0.0; dim];
            for head in 0..heads {
                let from = head * 3 * width;
                let score = |(&(r, c), other): (&(usize, usize), &Vec<f64>)| {
                    let product: f64 =
                        (0..width).map(|i| own[from + i] * other[from + width + i]).sum();
                    let distance = r.abs_diff(y) * window + c.abs_diff(x_);
                    let bias = biases[head * window * window + distance];
                    (product / (width as f64).sqrt() + bias).exp()
                };
                let scores: Vec<f64> = cells.iter().zip(&others).map(score).collect();
                let sum: f64 = scores.iter().sum();
                for (p, other) in scores.iter().zip(&others) {
                    for i in 0..width {
                        mixed[head * width + i] += p / sum * other[from + 2 * width + i];
                    }
                }
            }
            let value = self.linear(&format!("{key}.proj"), &mixed);
            value.into_iter().enumerate().for_each(|(c, v)| out[c][y][x_] = v);
        }
        out
    }

    fn cells(x: &Map, f: impl Fn(&[f64]) -> Vec<f64>) -> Map {
        let (h, w) = (x[0].len(), x[0][0].len());
        let mut out = Map::new();
        for y in 0..h {
            for x_ in 0..w {
                let value = f(&x.iter().map(|plane| plane[y][x_]).collect::<Vec<_>>());
                out.resize(value.len(), vec![vec![0.0; w]; h]);
                value.into_iter().enumerate().for_each(|(c, v)| out[c][y][x_] = v);
            }
        }
        out
    }

    fn forward(&self, config: &TinyVitConfig, x: &Map) -> Map {
        let x = each(&self.conv_norm("patch_embed.seq.0", x, 2), gelu);
        let mut x = self.conv_norm("patch_embed.seq.2", &x, 2);
        let last = config.depths.len() - 1;
        for (i, &depth) in config.depths.iter().enumerate() {
            for j in 0..depth {
                let key = format!("layers.{i}.blocks.{j}");
                if i == 0 {
                    let y = each(&self.conv_norm(&format!("{key}.conv1"), &x, 1), gelu);
                    let y = each(&self.conv_norm(&format!("{key}.conv2"), &y, 1), gelu);
                    let y = self.conv_norm(&format!("{key}.conv3"), &y, 1);
                    x = each(&add(&x, &y), gelu);
                    continue;
                }
                let (heads, window) = (config.num_heads[i], config.window_sizes[i]);
                let y = self.attention(&format!("{key}.attn"), &x, heads, window);
                x = self.conv_norm(&format!("{key}.local_conv"), &add(&x, &y), 1);
                let y = Self::cells(&x, |cell| {
                    let cell = self.norm(&format!("{key}.mlp.norm"), cell, 1e-5);
                    let inner = self.linear(&format!("{key}.mlp.fc1"), &cell);
                    let inner: Vec<f64> = inner.into_iter().map(gelu).collect();
                    self.linear(&format!("{key}.mlp.fc2"), &inner)
                });
                x = add(&x, &y);
            }
            if i < last {
                let key = format!("layers.{i}.downsample");
                let stride = if i + 1 == last { 1 } else { 2 };
                let y = each(&self.conv_norm(&format!("{key}.conv1"), &x, 1), gelu);
                let y = each(&self.conv_norm(&format!("{key}.conv2"), &y, stride), gelu);
                x = self.conv_norm(&format!("{key}.conv3"), &y, 1);
            }
        }
        let x = self.conv("neck.0.weight", &x, 1);
        let x = Self::cells(&x, |cell| self.norm("neck.1", cell, 1e-6));
        let x = self.conv("neck.2.weight", &x, 1);
        Self::cells(&x, |cell| self.norm("neck.3", cell, 1e-6))
    }
}

#[test]
fn tiny_vit_is_what_plain_loops_compute() {
    let (config, device) = (small(), Device::flex());
    config.check().unwrap();
    let (encoder, weights) = drawn(&config, &device);
    let size = config.img_size;
    let pixels = Tensor::<4>::random([1, 3, size, size], Distribution::Normal(0.0, 1.0), &device);
    let values: Vec<f64> = pixels.to_data().iter::<f64>().collect();
    let plane = |c: &[f64]| c.chunks(size).map(<[f64]>::to_vec).collect();
    let picture: Map = values.chunks(size * size).map(plane).collect();
    let expected = Net { weights }.forward(&config, &picture);
    let expected: Vec<f32> = expected.into_iter().flatten().flatten().map(|v| v as f32).collect();
    let out = encoder.forward(pixels);
    assert_eq!(out.dims(), [1, config.out_chans, config.grid(), config.grid()]);
    let out: Vec<f32> = out.into_data().try_to_vec().unwrap();
    // Sums in f32 over a dozen layers.
    close(&out, &expected, 1e-4).unwrap();
    let spread = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    assert!(spread > 0.5, "the comparison would see nothing: all values within {spread}");
}

#[test]
fn mobile_sam_has_the_published_names_and_shapes() {
    let encoder = TinyVit::new(&TinyVitConfig::default(), &Device::flex());
    let listed: HashMap<String, Vec<usize>> = names(&encoder).into_iter().collect();
    let shapes: [(&str, &[usize]); 22] = [
        ("patch_embed.seq.0.c.weight", &[32, 3, 3, 3]),
        ("patch_embed.seq.2.bn.running_var", &[64]),
        ("layers.0.blocks.1.conv1.c.weight", &[256, 64, 1, 1]),
        ("layers.0.blocks.1.conv2.c.weight", &[256, 1, 3, 3]),
        ("layers.0.blocks.1.conv3.bn.weight", &[64]),
        ("layers.0.downsample.conv1.c.weight", &[128, 64, 1, 1]),
        ("layers.0.downsample.conv2.c.weight", &[128, 1, 3, 3]),
        ("layers.1.blocks.0.attn.attention_biases", &[4, 49]),
        ("layers.1.blocks.0.attn.qkv.weight", &[384, 128]),
        ("layers.1.blocks.0.attn.norm.bias", &[128]),
        ("layers.1.blocks.0.attn.proj.weight", &[128, 128]),
        ("layers.1.blocks.0.local_conv.c.weight", &[128, 1, 3, 3]),
        ("layers.1.blocks.0.local_conv.bn.running_mean", &[128]),
        ("layers.1.blocks.0.mlp.norm.weight", &[128]),
        ("layers.1.blocks.0.mlp.fc1.weight", &[512, 128]),
        ("layers.1.blocks.0.mlp.fc2.weight", &[128, 512]),
        ("layers.2.blocks.5.attn.attention_biases", &[5, 196]),
        ("layers.2.downsample.conv3.c.weight", &[320, 320, 1, 1]),
        ("layers.3.blocks.1.attn.attention_biases", &[10, 49]),
        ("neck.0.weight", &[256, 320, 1, 1]),
        ("neck.2.weight", &[256, 256, 3, 3]),
        ("neck.3.bias", &[256]),
    ];
    for (name, shape) in shapes {
        assert_eq!(listed.get(name).map(Vec::as_slice), Some(shape), "{name}");
    }
    assert!(!listed.contains_key("layers.3.downsample.conv1.c.weight"));
}

#[test]
fn configurations_that_fit_nothing_are_named() {
    let refused = |change: fn(&mut TinyVitConfig)| {
        let mut config = small();
        change(&mut config);
        config.check().unwrap_err().field
    };
    assert_eq!(refused(|c| c.depths.truncate(2)), "depths");
    assert_eq!(refused(|c| c.embed_dims.truncate(1)), "embed_dims");
    assert_eq!(refused(|c| c.num_heads[2] = 5), "num_heads");
    assert_eq!(refused(|c| c.window_sizes[1] = 0), "window_sizes");
    assert_eq!(refused(|c| c.img_size = 50), "img_size");
    assert_eq!(refused(|c| c.local_conv_size = 2), "local_conv_size");
    assert_eq!(refused(|c| c.mlp_ratio = f64::NAN), "mlp_ratio");
    assert_eq!(refused(|c| c.out_chans = 4), "out_chans");
}
