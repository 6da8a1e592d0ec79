//! Which of the two models answers: one knows photos, the other the scenes that the engine draws.
//! One of them is in memory at a time.

use refvlm_protocol::{Failure, FailureKind};
use serde::Deserialize;

/// A kind of picture, and the model that knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What a camera took: whatever a person opens.
    Photo,
    /// What the engine drew.
    Scene,
}

impl Kind {
    /// Both.
    pub const ALL: [Kind; 2] = [Kind::Photo, Kind::Scene];

    /// What the person calls the model.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Photo => "Photos",
            Kind::Scene => "Drawn scenes",
        }
    }

    /// The `<meta>` of the page that gives the package's address.
    pub fn meta(self) -> &'static str {
        match self {
            Kind::Photo => "refvlm-photo-model",
            Kind::Scene => "refvlm-model",
        }
    }

    /// What the model knows, in a line.
    pub fn knows(self) -> &'static str {
        match self {
            Kind::Photo => {
                "Knows everyday photos: outlines what you point at and names many things; may be wrong."
            }
            Kind::Scene => "Knows drawn scenes of 26 things.",
        }
    }
}

/// What a model knows, beside a picture of that kind.
pub fn knows_about(model: Kind, picture: Option<Kind>) -> String {
    let beyond = match (model, picture) {
        (Kind::Scene, Some(Kind::Photo)) => " About photos it is mostly wrong.",
        (Kind::Photo, Some(Kind::Scene)) => " About drawn scenes it is often wrong.",
        _ => "",
    };
    format!("{}{beyond}", model.knows())
}

/// Who decides which model answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Choice {
    /// The kind of the picture.
    #[default]
    Automatic,
    /// The person, until further notice.
    Always(Kind),
}

impl Choice {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Choice; 3] =
        [Choice::Automatic, Choice::Always(Kind::Photo), Choice::Always(Kind::Scene)];

    /// What the person calls it.
    pub fn name(self) -> &'static str {
        match self {
            Choice::Automatic => "Automatic",
            Choice::Always(kind) => kind.name(),
        }
    }

    /// How the session's storage remembers it.
    pub fn key(self) -> &'static str {
        match self {
            Choice::Automatic => "automatic",
            Choice::Always(Kind::Photo) => "photos",
            Choice::Always(Kind::Scene) => "scenes",
        }
    }

    /// The choice of that key; automatic when there is none.
    pub fn of_key(key: Option<&str>) -> Self {
        Self::ALL.into_iter().find(|choice| Some(choice.key()) == key).unwrap_or_default()
    }
}

/// What the engine has of a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Held {
    /// No model.
    #[default]
    Nothing,
    /// This one is on its way.
    Loading(Kind),
    /// This one answers.
    Ready(Kind),
    /// This one could not be loaded, or was lost; it is loaded again when the person says so.
    Failed(Kind),
}

/// A model that is to be loaded now, in place of whatever there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Which one.
    pub kind: Kind,
    /// Different for every order; what is heard of an older one counts no more.
    pub serial: u32,
}

/// Both models: which one is wanted, and which one is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Models {
    choice: Choice,
    picture: Option<Kind>,
    held: Held,
    /// The model that a load took the place of.
    before: Option<Kind>,
    /// Whether the host has no package for photos.
    photos_absent: bool,
    /// Whether the person knows that the other model stands in.
    told: bool,
    /// Whether the person stopped the only load there was.
    paused: bool,
    serial: u32,
    photo_bytes: Option<u64>,
    scene_bytes: Option<u64>,
}

impl Models {
    /// No model and no picture.
    pub fn new(choice: Choice) -> Self {
        Self { choice, ..Self::default() }
    }

    /// Who decides.
    pub fn choice(&self) -> Choice {
        self.choice
    }

    /// What the engine has.
    pub fn held(&self) -> Held {
        self.held
    }

    /// The kind of the picture that is open.
    pub fn picture(&self) -> Option<Kind> {
        self.picture
    }

    /// Whether the host is known to have no package for photos.
    pub fn photos_absent(&self) -> bool {
        self.photos_absent
    }

    /// Whether the person stopped the load, so that there is no model.
    pub fn paused(&self) -> bool {
        self.paused
    }

    /// The model that should be there: none before the first picture, so that nothing is fetched
    /// before it is needed.
    pub fn wanted(&self) -> Option<Kind> {
        let kind = match self.choice {
            _ if self.paused => return None,
            Choice::Automatic => self.picture?,
            Choice::Always(kind) => kind,
        };
        Some(if self.photos_absent { Kind::Scene } else { kind })
    }

    /// The model to load now; none when the wanted one is there or on its way.
    pub fn order(&mut self) -> Option<Order> {
        let kind = self.wanted()?;
        let same = match self.held {
            Held::Nothing => false,
            Held::Loading(held) | Held::Ready(held) | Held::Failed(held) => held == kind,
        };
        if same {
            return None;
        }
        match self.held {
            Held::Ready(held) => self.before = Some(held),
            // It is taken back before it came: what it replaced stays the one before.
            Held::Loading(_) => {}
            Held::Nothing | Held::Failed(_) => self.before = None,
        }
        self.held = Held::Loading(kind);
        self.serial += 1;
        Some(Order { kind, serial: self.serial })
    }

    /// How many orders there were.
    pub fn serial(&self) -> u32 {
        self.serial
    }

    /// Whether an order is the last one that was given.
    pub fn current(&self, order: Order) -> bool {
        order.serial == self.serial
    }

    /// A picture was opened.
    pub fn opened(&mut self, kind: Kind) {
        self.picture = Some(kind);
        self.paused = false;
    }

    /// The person chose who decides.
    pub fn choose(&mut self, choice: Choice) {
        self.choice = choice;
        self.paused = false;
    }

    /// The model is there.
    pub fn ready(&mut self, kind: Kind) {
        self.held = Held::Ready(kind);
    }

    /// Loading failed. Returns whether the page can go on without this model, because it is the one
    /// for photos and the host has none: then [`Models::order`] says what to load instead.
    pub fn failed(&mut self, kind: Kind, failure: &Failure) -> bool {
        if kind == Kind::Photo && is_absent(failure) {
            self.no_photos();
            self.held = Held::Nothing;
            return true;
        }
        self.held = Held::Failed(kind);
        false
    }

    /// The host has no package for photos.
    pub fn no_photos(&mut self) {
        self.photos_absent = true;
    }

    /// Whether the person has to be told that the model for scenes stands in for the one for
    /// photos: true once.
    pub fn tell_once(&mut self) -> bool {
        let photos = match self.choice {
            Choice::Automatic => self.picture == Some(Kind::Photo),
            Choice::Always(kind) => kind == Kind::Photo,
        };
        let tell = photos && self.photos_absent && !self.told;
        self.told |= tell;
        tell
    }

    /// A package has so many bytes.
    pub fn weighs(&mut self, kind: Kind, bytes: u64) {
        match kind {
            Kind::Photo => self.photo_bytes = Some(bytes),
            Kind::Scene => self.scene_bytes = Some(bytes),
        }
    }

    /// Bytes of a package, where they are known.
    pub fn bytes(&self, kind: Kind) -> Option<u64> {
        match kind {
            Kind::Photo => self.photo_bytes,
            Kind::Scene => self.scene_bytes,
        }
    }

    /// The model that was there is gone.
    pub fn lost(&mut self) {
        if let Held::Ready(kind) | Held::Loading(kind) = self.held {
            self.held = Held::Failed(kind);
        }
    }

    /// The person stopped the load: the model before it answers again, whatever the picture is.
    /// Without one there is no model until a picture is opened or [`Models::resume`].
    pub fn cancel(&mut self) {
        self.held = Held::Nothing;
        match self.before.take() {
            Some(kind) => self.choice = Choice::Always(kind),
            None => self.paused = true,
        }
    }

    /// The person wants the model after all, or once more.
    pub fn resume(&mut self) {
        self.paused = false;
        self.held = Held::Nothing;
    }
}

/// Whether a package is not on the host at all, and not merely damaged.
fn is_absent(failure: &Failure) -> bool {
    failure.kind == FailureKind::NotFound && failure.message.starts_with(MANIFEST)
}

/// The file by which a package is known.
pub const MANIFEST: &str = "refvlm.json";

/// The bytes of a package by its manifest, which count too; none when that is no manifest.
pub fn package_bytes(manifest: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct File {
        bytes: u64,
    }
    #[derive(Deserialize)]
    struct Files {
        tokenizer: Option<File>,
        shards: Vec<File>,
    }
    let files: Files = serde_json::from_slice(manifest).ok()?;
    let all = files.shards.iter().chain(&files.tokenizer);
    all.map(|file| file.bytes).try_fold(manifest.len() as u64, u64::checked_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTOMATIC: Choice = Choice::Automatic;

    fn failure(kind: FailureKind, message: &str) -> Failure {
        Failure { kind, message: message.into(), remedy: "try again".into(), lost: false }
    }

    fn loaded(models: &mut Models) -> Option<Kind> {
        let kind = models.order()?.kind;
        models.ready(kind);
        Some(kind)
    }

    #[test]
    fn nothing_is_loaded_before_the_first_picture() {
        let mut models = Models::new(AUTOMATIC);
        assert_eq!(models.order(), None);
        models.opened(Kind::Photo);
        assert_eq!(loaded(&mut models), Some(Kind::Photo));
        // Who has chosen a model needs no picture to need it.
        assert_eq!(loaded(&mut Models::new(Choice::Always(Kind::Scene))), Some(Kind::Scene));
    }

    #[test]
    fn the_model_follows_the_kind_of_picture() {
        let mut models = Models::new(AUTOMATIC);
        let mut loads = Vec::new();
        for kind in [Kind::Photo, Kind::Photo, Kind::Scene, Kind::Scene, Kind::Photo] {
            models.opened(kind);
            loads.extend(loaded(&mut models));
            assert_eq!(models.held(), Held::Ready(kind));
        }
        assert_eq!(loads, [Kind::Photo, Kind::Scene, Kind::Photo]);
    }

    #[test]
    fn what_the_person_chose_stays_whatever_is_opened() {
        let mut models = Models::new(AUTOMATIC);
        models.opened(Kind::Scene);
        assert_eq!(loaded(&mut models), Some(Kind::Scene));
        models.choose(Choice::Always(Kind::Photo));
        assert_eq!(loaded(&mut models), Some(Kind::Photo));
        models.opened(Kind::Scene);
        assert_eq!(loaded(&mut models), None);
        models.choose(AUTOMATIC);
        assert_eq!(loaded(&mut models), Some(Kind::Scene));
    }

    #[test]
    fn a_load_that_is_no_longer_wanted_gives_way() {
        let mut models = Models::new(AUTOMATIC);
        models.opened(Kind::Photo);
        let photo = models.order().unwrap();
        assert_eq!(models.order(), None, "it is on its way");
        models.opened(Kind::Scene);
        let scene = models.order().unwrap();
        assert_eq!(scene.kind, Kind::Scene);
        assert!(!models.current(photo) && models.current(scene));
    }

    #[test]
    fn without_a_package_for_photos_the_other_model_answers() {
        let mut models = Models::new(AUTOMATIC);
        models.opened(Kind::Photo);
        models.order();
        let missing = failure(FailureKind::NotFound, "refvlm.json: the server has no such file");
        assert!(!models.tell_once(), "not known yet");
        assert!(models.failed(Kind::Photo, &missing));
        assert_eq!(loaded(&mut models), Some(Kind::Scene));
        assert!(models.tell_once());
        models.opened(Kind::Photo);
        assert_eq!(models.order(), None, "it is not asked for again");
        models.choose(Choice::Always(Kind::Photo));
        assert_eq!(models.order(), None);
        assert!(!models.tell_once(), "once is enough");
    }

    #[test]
    fn that_the_host_has_no_photos_matters_only_to_photos() {
        let mut models = Models::new(AUTOMATIC);
        models.no_photos();
        models.opened(Kind::Scene);
        assert_eq!((models.wanted(), models.tell_once()), (Some(Kind::Scene), false));
        models.opened(Kind::Photo);
        assert_eq!((models.wanted(), models.tell_once()), (Some(Kind::Scene), true));
    }

    #[test]
    fn a_package_that_is_damaged_or_far_is_a_fault_and_waits_for_the_person() {
        let shard = "model-00001-of-00001.safetensors: the server has no such file (404)";
        for (kind, message) in
            [(FailureKind::NotFound, shard), (FailureKind::Offline, "refvlm.json: no server")]
        {
            let mut models = Models::new(AUTOMATIC);
            models.opened(Kind::Photo);
            models.order();
            assert!(!models.failed(Kind::Photo, &failure(kind, message)));
            assert!(!models.photos_absent());
            models.opened(Kind::Photo);
            assert_eq!(models.order(), None, "not again and again");
            models.resume();
            assert_eq!(models.order().map(|order| order.kind), Some(Kind::Photo));
        }
        // The one model that every host has is never taken for absent.
        let mut models = Models::new(AUTOMATIC);
        models.opened(Kind::Scene);
        models.order();
        let missing = failure(FailureKind::NotFound, "refvlm.json: the server has no such file");
        assert!(!models.failed(Kind::Scene, &missing));
        assert_eq!(models.held(), Held::Failed(Kind::Scene));
    }

    #[test]
    fn a_stopped_load_brings_the_model_before_it_back() {
        let mut models = Models::new(AUTOMATIC);
        models.opened(Kind::Scene);
        assert_eq!(loaded(&mut models), Some(Kind::Scene));
        models.opened(Kind::Photo);
        models.order();
        models.cancel();
        assert_eq!(loaded(&mut models), Some(Kind::Scene));
        assert_eq!(models.choice(), Choice::Always(Kind::Scene));
    }

    #[test]
    fn the_first_load_can_be_stopped_and_taken_up_again() {
        let mut models = Models::new(AUTOMATIC);
        models.opened(Kind::Photo);
        models.order();
        models.cancel();
        assert!(models.paused());
        assert_eq!(models.order(), None);
        models.resume();
        assert_eq!(models.order().map(|order| order.kind), Some(Kind::Photo));
    }

    #[test]
    fn a_lost_model_is_not_loaded_again_by_itself() {
        let mut models = Models::new(AUTOMATIC);
        models.opened(Kind::Scene);
        loaded(&mut models);
        models.lost();
        assert_eq!(models.held(), Held::Failed(Kind::Scene));
        assert_eq!(models.order(), None);
    }

    #[test]
    fn keys_name_their_choice() {
        for choice in Choice::ALL {
            assert_eq!(Choice::of_key(Some(choice.key())), choice);
        }
        assert_eq!(Choice::of_key(None), AUTOMATIC);
        assert_eq!(Choice::of_key(Some("else")), AUTOMATIC);
    }

    #[test]
    fn what_a_model_knows_depends_on_what_it_is_shown() {
        for kind in Kind::ALL {
            assert_eq!(knows_about(kind, None), kind.knows());
            assert_eq!(knows_about(kind, Some(kind)), kind.knows());
        }
        assert!(knows_about(Kind::Scene, Some(Kind::Photo)).ends_with("mostly wrong."));
        assert!(knows_about(Kind::Photo, Some(Kind::Scene)).ends_with("often wrong."));
    }

    #[test]
    fn a_package_weighs_what_its_files_do() {
        let manifest = include_bytes!("../../../www/models/scenes/refvlm.json");
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../www/models/scenes/");
        let length = |name: &str| std::fs::metadata(format!("{folder}{name}")).unwrap().len();
        let files = [MANIFEST, "tokenizer.json", "model-00001-of-00001.safetensors"];
        assert_eq!(package_bytes(manifest), Some(files.iter().map(|file| length(file)).sum()));
        assert_eq!(package_bytes(b"<!doctype html>"), None);
    }
}
