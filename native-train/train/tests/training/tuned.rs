//! What is trained, and what stays as it is.

use crate::support::changes::{changed, values};
use crate::support::{Folder, Tiny, bits};
use refvlm_collective::alone;
use refvlm_train::TrainFile;
use refvlm_train::checkpoint::{Base, Checkpoint};
use refvlm_train::config::LoopConfig;
use refvlm_train::optim::{OptimConfig, Schedule};
use refvlm_train::parts::PartRule;
use refvlm_train::run;
use refvlm_train::source::scenes::SceneSource;
use refvlm_train::stage::{FullTask, Student};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::AtomicBool;

fn rules(text: &str) -> Vec<PartRule> {
    #[derive(serde::Deserialize)]
    struct File {
        parts: Vec<PartRule>,
    }
    toml::from_str::<File>(text).unwrap().parts
}

/// A few steps under these rules, with an average.
fn trained(
    tiny: &Tiny,
    rules: Vec<PartRule>,
    folder: &Folder,
) -> Result<(Student, Student), String> {
    let config = LoopConfig { steps: 3, parts: rules, ..tiny.file.train.run.clone() };
    let source = SceneSource::full(&tiny.file, &tiny.world, &tiny.tokenizer);
    let task = FullTask::new(&tiny.file, &tiny.tokenizer, &source).unwrap();
    let (before, stop) = (tiny.student(1), AtomicBool::new(false));
    let place = (&tiny.device, &alone() as &dyn refvlm_collective::Collective);
    let (after, _) =
        run(&task, before.clone(), &config, &folder.0, place, &stop).map_err(|e| e.to_string())?;
    Ok((before, after))
}

#[test]
fn what_is_frozen_stays_to_the_bit_and_the_last_rule_counts() {
    let mut tiny = Tiny::new();
    // Decay would show on whatever is not left alone.
    tiny.file.train.run.optim.weight_decay = 0.5;
    let rules = rules(
        "parts = [
            { names = ['*'], trained = false },
            { names = ['llm.*', 'projector.*'], trained = true },
            { names = ['*_proj.weight'], trained = false },
        ]",
    );
    let folder = Folder::new("frozen");
    let (before, after) = trained(&tiny, rules, &folder).unwrap();
    let changed = changed(&before, &after);
    let expected: BTreeSet<String> = values(&before)
        .into_keys()
        .filter(|name| name.starts_with("llm.") || name.starts_with("projector."))
        .filter(|name| !name.ends_with("_proj.weight"))
        .collect();
    assert_eq!(changed, expected);
    // The optimiser keeps state for these alone.
    let all = std::fs::metadata(folder.0.join("step-00000003/optim.bpk")).unwrap().len();
    let whole = Folder::new("whole");
    trained(&tiny, Vec::new(), &whole).unwrap();
    let whole = std::fs::metadata(whole.0.join("step-00000003/optim.bpk")).unwrap().len();
    assert!(all < whole, "{all} bytes, {whole} when everything is trained");
}

#[test]
fn rows_of_added_tokens_are_trained_alone() {
    let mut tiny = Tiny::new();
    tiny.file.train.run.optim.weight_decay = 0.5;
    let table = "llm.model.embed_tokens.weight";
    let rows = tiny.file.model.llm.vocab_size;
    let from = rows / 2;
    let rules = rules(&format!(
        "parts = [{{ names = ['*'], trained = false }}, {{ names = ['{table}'], rows_from = {from} }}]"
    ));
    let (before, after) = trained(&tiny, rules, &Folder::new("rows")).unwrap();
    assert_eq!(changed(&before, &after), BTreeSet::from([table.to_string()]));
    let (before, after) = (&values(&before)[table], &values(&after)[table]);
    let width = before.len() / rows;
    let moved = |rows: Range<usize>| {
        let values = rows.start * width..rows.end * width;
        before[values.clone()].iter().zip(&after[values]).filter(|(a, b)| a != b).count()
    };
    assert_eq!(moved(0..from), 0);
    assert!(moved(from..rows) > 0);
}

/// A rate of nothing leaves a group as it is, another rate moves it further.
#[test]
fn groups_have_rates_of_their_own() {
    let mut tiny = Tiny::new();
    tiny.file.train.run.optim.muon = false;
    tiny.file.train.run.average = None;
    let moved = |lr: f64| {
        let rules = rules(&format!(
            "parts = [{{ names = ['projector.*'], lr = 0.0 }}, {{ names = ['llm.*'], lr = {lr:e} }}]"
        ));
        let (before, after) = trained(&tiny, rules, &Folder::new("rates")).unwrap();
        let changed = changed(&before, &after);
        assert!(changed.iter().all(|name| !name.starts_with("projector.")), "{changed:?}");
        let norm = "llm.model.norm.weight";
        let (before, after) = (&values(&before)[norm], &values(&after)[norm]);
        let distance = |(a, b): (&u32, &u32)| (f32::from_bits(*a) - f32::from_bits(*b)).abs();
        before.iter().zip(after).map(distance).sum::<f32>()
    };
    let (slow, fast) = (moved(1e-4), moved(1e-2));
    assert!(fast > 20.0 * slow && slow > 0.0, "{slow} and {fast}");
}

#[test]
fn rules_that_fit_nothing_or_leave_nothing_are_refused() {
    let tiny = Tiny::new();
    for (text, expected) in [
        ("parts = [{ names = ['projektor.*'] }]", "did you mean `projector.*`?"),
        ("parts = [{ names = ['nonsense'] }]", "names begin with "),
        ("parts = [{ names = ['*'], trained = false }]", "every parameter is frozen"),
        ("parts = [{ names = ['llm.model.norm.weight'], rows_from = 2 }]", "rows_from = 2"),
    ] {
        let error = trained(&tiny, rules(text), &Folder::new("refused")).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

/// The tiny model with adapters in both transformers, and the rules that train them alone.
fn adapted(folder: &Folder) -> (Tiny, LoopConfig) {
    let mut tiny = Tiny::new();
    let path = folder.0.join("adapted.toml");
    std::fs::write(&path, toml::to_string(&tiny.file).unwrap()).unwrap();
    let settings = [
        "train.lora.llm={r=2, lora_alpha=4, dropout=0.1, target_modules=['q_proj', 'down_proj']}",
        "train.lora.visual_encoder={r=2, lora_alpha=4, target_modules=['fc1'], use_rslora=true}",
        "train.loop.parts=[{names=['*'], trained=false}, {names=['*.lora_*'], trained=true}]",
        "train.loop.optim.lr=1e-2",
    ];
    let settings: Vec<_> = settings.iter().map(|s| s.parse().unwrap()).collect();
    tiny.file = TrainFile::read_with(&path, None, &settings).unwrap();
    let config = LoopConfig { threads: 1, ..tiny.file.adapted(&tiny.file.train.run) };
    (tiny, config)
}

#[test]
fn adapters_are_trained_and_their_base_is_not() {
    let folder = Folder::new("adapters");
    let (tiny, config) = adapted(&folder);
    let source = SceneSource::full(&tiny.file, &tiny.world, &tiny.tokenizer);
    let task = FullTask::new(&tiny.file, &tiny.tokenizer, &source).unwrap();
    let (before, stop) = (tiny.student(1), AtomicBool::new(false));
    let place = (&tiny.device, &alone() as &dyn refvlm_collective::Collective);
    let (after, _) = run(&task, before.clone(), &config, &folder.0, place, &stop).unwrap();
    let expected: BTreeSet<String> =
        values(&before).into_keys().filter(|name| name.contains(".lora_")).collect();
    // Two factors of two maps of the language model's layer, and of one of the tower's.
    assert_eq!(expected.len(), 6, "{expected:?}");
    assert_eq!(changed(&before, &after), expected);
    for (name, values) in values(&before) {
        assert!(!name.contains("lora_B") || values.iter().all(|&bits| bits == 0), "{name}");
    }

    // Without the second rule, what stands beside adapters is frozen, all else is trained.
    let rules = tiny.file.adapted(&LoopConfig { parts: Vec::new(), ..config }).parts;
    let names = rules.iter().flat_map(|rule| &rule.names).collect::<Vec<_>>();
    let factors = |part: &str| ["A", "B"].map(|f| format!("{part}.*.lora_{f}.weight"));
    let [a, b] = factors("llm");
    let [c, d] = factors("visual_encoder");
    assert_eq!(names, ["llm.*", &a, &b, "visual_encoder.*", &c, &d]);
}

/// A checkpoint of adapters goes on from the package that it names, and from no other.
#[test]
fn checkpoints_leave_out_the_base() {
    let folder = Folder::new("base");
    let (mut tiny, mut config) = adapted(&folder);
    // What is dropped is drawn anew.
    tiny.file.model.llm.lora.as_mut().unwrap().lora_dropout = 0.0;
    std::fs::write(folder.0.join("refvlm.json"), "a package").unwrap();
    let base = Base::of(&folder.0).unwrap();
    config.steps = 4;
    let source = SceneSource::full(&tiny.file, &tiny.world, &tiny.tokenizer);
    let task = FullTask::new(&tiny.file, &tiny.tokenizer, &source).unwrap();
    let stop = AtomicBool::new(false);
    let place = (&tiny.device, &alone() as &dyn refvlm_collective::Collective);
    let steps = |steps, base: Option<&Base>, dir: &str| {
        let config = LoopConfig { steps, base: base.cloned(), ..config.clone() };
        let config = LoopConfig {
            optim: OptimConfig { schedule: Schedule::Constant, ..config.optim },
            ..config
        };
        run(&task, tiny.student(1), &config, &folder.0.join(dir), place, &stop)
            .map(|(student, _)| bits(&student))
            .map_err(|e| e.to_string())
    };
    let expected = steps(4, None, "whole").unwrap();
    steps(2, Some(&base), "parts").unwrap();
    let size = |dir: &str, step: usize| {
        let path = folder.0.join(dir).join(format!("step-{step:08}/model.bpk"));
        std::fs::metadata(path).unwrap().len()
    };
    let other = Base { sha256: "0".into(), ..base.clone() };
    for wrong in [None, Some(&other)] {
        let error = steps(4, wrong, "parts").unwrap_err();
        assert!(error.contains("holds only what was trained of"), "{error}");
    }
    assert!(steps(4, Some(&base), "parts").unwrap() == expected, "resumed weights differ");
    assert!(size("parts", 4) * 4 < size("whole", 4), "{} bytes", size("parts", 4));

    let read =
        |student| Checkpoint::latest(&folder.0.join("parts")).unwrap().unwrap().weights(student);
    assert!(bits(&read(tiny.student(1)).unwrap()) == expected, "base and adapters are not the end");
    assert!(bits(&read(tiny.student(2)).unwrap()) != expected);
}
