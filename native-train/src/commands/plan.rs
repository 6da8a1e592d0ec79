//! `refvlm plan`.

use super::Outcome;
use super::say::say;
use refvlm_native::presets;
use refvlm_native::train::plan::{
    Devices, LATENCY_S, Plan as Row, RESERVED, Sizes, UTILISATION, Work, plans,
};
use std::path::PathBuf;

/// Say what training a configuration on some devices needs: memory by part, bytes between them,
/// and tokens a second. Arithmetic from sizes and data sheets; nothing is measured.
#[derive(Debug, clap::Args)]
pub struct Plan {
    /// Configuration file, such as configs/vicuna-7b.toml.
    config: PathBuf,
    /// Equal devices of one host: how many, which, how much memory each.
    #[arg(long, value_name = "8xH100-80G")]
    devices: Devices,
    /// Train adapters of this rank instead of the language model's own weights.
    #[arg(long, value_name = "RANK")]
    lora: Option<usize>,
    /// Parameters whose names begin so stay as they are, as `visual`. May be given several times.
    #[arg(long, value_name = "START")]
    frozen: Vec<String>,
    /// Tokens of a sequence.
    #[arg(long, default_value_t = 2048)]
    tokens: usize,
    /// Sequences of a step on one device.
    #[arg(long, default_value_t = 1)]
    sequences: usize,
}

impl Plan {
    /// Runs the command.
    pub fn run(self) -> Outcome {
        let Self { config, devices, lora, frozen, tokens, sequences } = self;
        let work = Work { lora, frozen, tokens, sequences };
        let sizes = Sizes::new(&presets::read(&config)?, &work)?;
        let rows = plans(&sizes, &devices);
        let giga = |bytes: u64| bytes as f64 / f64::from(1 << 30);
        say!(
            "{:.1} million parameters are trained, {:.1} million are not; {} x {} tokens a step on \
             each of {} {}",
            sizes.trained() as f64 / 1e6,
            sizes.frozen as f64 / 1e6,
            work.sequences,
            work.tokens,
            devices.count,
            devices.name,
        );
        say!("\nGiB of each device, {:.0} of {:.0} reserved", giga(RESERVED), giga(devices.memory));
        say!(
            "{:<24} {:>8} {:>9} {:>8} {:>11} {:>8} {:>8}  fits",
            "setting",
            "weights",
            "gradients",
            "state",
            "activations",
            "buckets",
            "all"
        );
        for Row { setting, memory, fits, .. } in &rows {
            let parts = [
                memory.weights,
                memory.gradients,
                memory.state,
                memory.activations,
                memory.buckets,
            ];
            let [weights, gradients, state, activations, buckets] = parts.map(giga);
            say!(
                "{:<24} {weights:>8.2} {gradients:>9.2} {state:>8.2} {activations:>11.2} \
                 {buckets:>8.2} {:>8.2}  {}",
                setting.to_string(),
                giga(memory.device()),
                if *fits { "yes" } else { "no" },
            );
        }
        say!("\nA step");
        say!(
            "{:<24} {:>12} {:>9} {:>10} {:>10} {:>10}",
            "setting",
            "GB sent",
            "messages",
            "compute s",
            "sending s",
            "tokens/s"
        );
        for Row { setting, wire, time, .. } in &rows {
            say!(
                "{:<24} {:>12.3} {:>9} {:>10.3} {:>10.3} {:>10.0}",
                setting.to_string(),
                wire.bytes as f64 / 1e9,
                wire.messages,
                time.compute_s,
                time.wire_s,
                time.tokens_per_s,
            );
        }
        say!(
            "\nAssumed: {:.0} % of the peak ({:.1} TFLOP/s in f32, {:.1} in bf16), {:.0} GB/s from \
             device to device, {:.0} us a message, nothing sent while computing. Not counted: \
             towers and decoders in time and activations. The trainer sends through the hosts' \
             memory by TCP or MPI so far, not from device to device.",
            UTILISATION * 100.0,
            devices.f32_per_s / 1e12,
            devices.bf16_per_s / 1e12,
            devices.link_per_s / 1e9,
            LATENCY_S * 1e6,
        );
        match rows.iter().find(|row| row.fits) {
            Some(Row { setting, .. }) if setting.is_built() => {
                say!("The first that fits: {setting}, which the trainer has.");
            }
            Some(Row { setting, .. }) => {
                say!("The first that fits: {setting}, which the trainer does not have yet.");
            }
            None => {
                say!("Nothing fits: take more devices, fewer tokens, or adapters (--lora 16).");
            }
        }
        Ok(())
    }
}
