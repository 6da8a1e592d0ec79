//! Referring expressions against a second implementation of what they mean.

use super::world::{object, scene_of};
use super::*;
use crate::dialog::expression::{Clause, Expression, Head, all};
use crate::dialog::facts::{Direction, Facts, Noun, Place};
use crate::{Family, Object};

#[derive(Clone, Copy, PartialEq, Debug)]
enum Fits {
    Yes,
    No,
    Doubtful,
}

fn centre(object: &Object, scene: &Scene) -> f32 {
    (object.bbox[0] + 0.5 * object.bbox[2]) / scene.width as f32
}

/// Whether `a` is more than `b`, from the margins promised: 6 % of the width, 15 % of size, 15 %
/// of distance.
fn more(direction: Direction, a: &Object, b: &Object, scene: &Scene) -> Fits {
    let left = centre(b, scene) - centre(a, scene);
    let size = (a.mask.area() as f32 / b.mask.area() as f32).ln();
    let far = (a.depth_m / b.depth_m).ln();
    let (value, margin) = match direction {
        Direction::Left => (left, 0.06),
        Direction::Right => (-left, 0.06),
        Direction::Large => (size, 1.15_f32.ln()),
        Direction::Small => (-size, 1.15_f32.ln()),
        Direction::Far => (far, 1.149_f32.ln()),
        Direction::Near => (-far, 1.149_f32.ln()),
    };
    match value {
        v if v > margin => Fits::Yes,
        v if v < -margin => Fits::No,
        _ => Fits::Doubtful,
    }
}

fn all_of(fits: impl Iterator<Item = Fits>) -> Fits {
    fits.fold(Fits::Yes, |all, one| match (all, one) {
        (Fits::No, _) | (_, Fits::No) => Fits::No,
        (Fits::Doubtful, _) | (_, Fits::Doubtful) => Fits::Doubtful,
        _ => Fits::Yes,
    })
}

/// Whether the expression is true of one object, seen by itself.
fn fits(expression: &Expression, index: usize, scene: &Scene) -> Fits {
    let of_sort = |object: &Object| {
        let sort = match expression.head {
            Head::Class(noun) => noun.singular == object.class,
            Head::Family(family) => family == object.family,
            Head::Any => true,
        };
        sort && expression.colour.is_none_or(|colour| object.colour == Some(colour))
    };
    let me = &scene.objects[index];
    if !of_sort(me) {
        return Fits::No;
    }
    let others =
        || scene.objects.iter().enumerate().filter(|(k, o)| *k != index && of_sort(o)).map(|p| p.1);
    match expression.clause {
        Clause::Only => Fits::Yes,
        Clause::Most(direction) => all_of(others().map(|o| more(direction, me, o, scene))),
        Clause::Nth { position, from } => {
            let doubtful = others().any(|o| more(from, o, me, scene) == Fits::Doubtful);
            let before = others().filter(|o| more(from, o, me, scene) == Fits::Yes).count();
            let doubts = others().filter(|o| more(from, o, me, scene) == Fits::Doubtful).count();
            if !doubtful && before + 1 == position {
                Fits::Yes
            } else if before < position && before + doubts + 1 >= position {
                Fits::Doubtful
            } else {
                Fits::No
            }
        }
        Clause::Than { anchor, .. } if anchor == index => Fits::No,
        Clause::Than { direction, anchor } => more(direction, me, &scene.objects[anchor], scene),
        Clause::At(place) => {
            let (x, third) = (centre(me, scene), 1.0 / 3.0);
            let border = [third, 2.0 * third].iter().any(|b| (x - b).abs() < 0.03);
            let is = [Place::Left, Place::Middle, Place::Right][((x / third) as usize).min(2)];
            match (border, is == place) {
                (true, _) => Fits::Doubtful,
                (false, true) => Fits::Yes,
                (false, false) => Fits::No,
            }
        }
    }
}

#[test]
fn expressions_mean_exactly_one_object() {
    let (mut clauses, mut heads, mut total) = (BTreeSet::new(), BTreeSet::new(), 0);
    for seed in 0..400 {
        let scene = world::scene(seed);
        for (expression, meant) in all(&Facts::new(&scene)) {
            total += 1;
            assert_eq!(fits(&expression, meant, &scene), Fits::Yes, "{seed} {expression:?}");
            for other in (0..scene.objects.len()).filter(|&other| other != meant) {
                let verdict = fits(&expression, other, &scene);
                // A superlative true of one object is untrue of the others, though perhaps narrowly
                // by comparison with a third.
                let superlative = matches!(expression.clause, Clause::Most(_) | Clause::Nth { .. });
                let allowed = verdict == Fits::No || superlative && verdict == Fits::Doubtful;
                assert!(allowed, "{seed} {expression:?} also means {other}");
            }
            clauses.insert(format!("{:?}", expression.clause).chars().take(12).collect::<String>());
            heads.insert(format!("{:?}", expression.head).chars().take(6).collect::<String>());
        }
    }
    assert!(total > 4000, "{total}");
    assert!(clauses.len() >= 12, "{clauses:?}");
    assert_eq!(heads.len(), 3, "{heads:?}");
}

#[test]
fn what_is_clear_is_said_and_what_is_not_is_left() {
    let size = [200, 100];
    // The second dog is 5 % of the width from the first: too little to tell them apart by place.
    let dogs = |gap: u32| {
        let rects = [[10, 10, 20, 20], [10 + gap, 50, 20, 20], [150, 50, 20, 20]];
        scene_of(1, size, rects.iter().map(|&rect| object("dog", 5.0, rect, size)).collect())
    };
    let dog = Head::Class(Noun { singular: "dog", plural: "dogs" });
    let resolve =
        |scene: &Scene, clause| Expression::new(dog, None, clause).resolve(&Facts::new(scene));
    assert_eq!(resolve(&dogs(10), Clause::Most(Direction::Left)), None);
    assert_eq!(resolve(&dogs(14), Clause::Most(Direction::Left)), Some(0));
    assert_eq!(resolve(&dogs(10), Clause::Most(Direction::Right)), Some(2));
    let second = Clause::Nth { position: 2, from: Direction::Left };
    assert_eq!(resolve(&dogs(10), second), None);
    assert_eq!(resolve(&dogs(14), second), Some(1));
    assert_eq!(resolve(&dogs(14), Clause::Most(Direction::Large)), None, "all of one size");
    assert_eq!(resolve(&dogs(14), Clause::Only), None);
    assert_eq!(resolve(&dogs(14), Clause::At(Place::Right)), Some(2));
    assert_eq!(resolve(&dogs(14), Clause::At(Place::Left)), None, "two are on the left");
}

#[test]
fn a_duck_makes_the_bird_doubtful_and_people_are_no_things() {
    let size = [200, 100];
    let scene = scene_of(
        1,
        size,
        vec![
            object("bird", 5.0, [10, 10, 30, 30], size),
            object("duck", 5.0, [80, 10, 20, 20], size),
            object("person", 5.0, [150, 10, 40, 80], size),
        ],
    );
    let facts = Facts::new(&scene);
    let of = |head, clause| Expression::new(head, None, clause).resolve(&facts);
    let class = |singular, plural| Head::Class(Noun { singular, plural });
    assert_eq!(of(class("bird", "birds"), Clause::Only), None);
    assert_eq!(of(class("duck", "ducks"), Clause::Only), Some(1));
    assert_eq!(of(Head::Any, Clause::Most(Direction::Large)), None, "the person is largest");
    assert_eq!(of(Head::Any, Clause::Most(Direction::Left)), Some(0));
    assert_eq!(
        of(Head::Any, Clause::Nth { position: 2, from: Direction::Left }),
        None,
        "counting depends on whether people count"
    );
    assert_eq!(of(Head::Family(Family::Animal), Clause::Most(Direction::Small)), Some(1));
}

/// The words are right too: superlatives of a class, read back from the question.
#[test]
fn superlatives_read_back_from_the_question() {
    let mut read = 0;
    for kind in [Kind::ReferBox, Kind::ReferMask] {
        for seed in 0..300 {
            let scene = world::of_two_classes(seed);
            let Some(dialogue) = dialogue_of(kind, &scene, &mut rng(seed)) else { continue };
            let AnswerPart::Triplet { concept, targets, .. } = &dialogue.record.turns[0].answer[0]
            else {
                panic!("no triplet")
            };
            let meant = targets[0];
            assert_eq!(concept, scene.objects[meant].class);
            let text = question_text(&dialogue);
            for (word, direction) in [
                ("leftmost", Direction::Left),
                ("rightmost", Direction::Right),
                ("largest", Direction::Large),
                ("smallest", Direction::Small),
                ("nearest", Direction::Near),
                ("farthest", Direction::Far),
            ] {
                if !text.contains(&format!("the {word} {concept}")) {
                    continue;
                }
                read += 1;
                let me = &scene.objects[meant];
                let rivals = scene.objects.iter().filter(|o| o.class == concept);
                let beaten = rivals.filter(|o| more(direction, me, o, &scene) == Fits::No).count();
                assert_eq!(beaten, 0, "{text}");
            }
        }
    }
    assert!(read > 20, "{read}");
}
