//! Answers are true, balanced, and in the canonical form.

use super::world::{object, scene_of};
use super::*;
use crate::Family;

fn beach() -> Scene {
    let size = [200, 100];
    let mut car = object("car", 5.0, [150, 40, 40, 20], size);
    car.colour = Some("red");
    let mut person = object("person", 3.0, [90, 10, 20, 80], size);
    person.colour = Some("blue");
    let dogs = [[10, 60, 20, 20], [40, 60, 22, 24]];
    let dogs = dogs.map(|rect| object("dog", 8.0, rect, size));
    scene_of(1, size, dogs.into_iter().chain([car, person]).collect())
}

#[test]
fn captions_have_one_form() {
    let mut scene = beach();
    let said = |scene: &Scene, kind| answer_text(&dialogue_of(kind, scene, &mut rng(1)).unwrap());
    let caption = "Two dogs, a person in a blue shirt and a red car on a beach.";
    for kind in [Kind::Caption, Kind::CaptionBoxes, Kind::CaptionMasks] {
        assert_eq!(said(&scene, kind), caption);
    }
    let grounded = dialogue_of(Kind::CaptionMasks, &scene, &mut rng(3)).unwrap();
    let first = &grounded.record.turns[0].answer[0];
    let expected =
        AnswerPart::Triplet { concept: "Two dogs".into(), unit: Unit::Mask, targets: vec![0, 1] };
    assert_eq!(*first, expected);
    scene.background = "a forest";
    scene.objects.truncate(2);
    assert_eq!(said(&scene, Kind::Caption), "Two dogs in a forest.");
    let apple = object("apple", 2.0, [10, 10, 9, 9], [200, 100]);
    assert_eq!(said(&scene_of(1, [200, 100], vec![apple]), Kind::Caption), "An apple on a beach.");
}

fn triplets(dialogue: &Dialogue) -> Vec<(String, Vec<usize>)> {
    let parts = dialogue.record.turns[0].answer.iter();
    parts
        .filter_map(|part| match part {
            AnswerPart::Triplet { concept, targets, .. } => {
                Some((concept.clone(), targets.clone()))
            }
            AnswerPart::Text(_) => None,
        })
        .collect()
}

#[test]
fn everything_is_found_once_in_order() {
    for kind in [Kind::DetectAll, Kind::SegmentAll] {
        for (scene, dialogue) in many(kind, 100) {
            let found = triplets(&dialogue);
            let mut all: Vec<usize> =
                found.iter().flat_map(|(_, targets)| targets.clone()).collect();
            for (concept, targets) in &found {
                assert!(targets.iter().all(|&k| scene.objects[k].class == concept));
                assert!(targets.is_sorted());
            }
            let firsts: Vec<usize> = found.iter().map(|(_, targets)| targets[0]).collect();
            assert!(firsts.is_sorted());
            all.sort_unstable();
            assert_eq!(all, (0..scene.objects.len()).collect::<Vec<_>>());
        }
    }
    assert_eq!(
        answer_text(&dialogue_of(Kind::DetectAll, &beach(), &mut rng(1)).unwrap()),
        "dog, person, car."
    );
}

#[test]
fn a_named_class_is_found_completely_or_denied() {
    let (mut found, mut denied) = (0, 0);
    for kind in [Kind::DetectClass, Kind::SegmentClass] {
        for (scene, dialogue) in many(kind, 400) {
            let text = question_text(&dialogue);
            let triplets = triplets(&dialogue);
            if triplets.is_empty() {
                let answer = answer_text(&dialogue);
                let plural = answer.strip_prefix("There are no ").unwrap().trim_end_matches('.');
                assert!(scene.objects.iter().all(|object| object.plural != plural));
                denied += 1;
                continue;
            }
            found += 1;
            let families = [
                ("animal", Family::Animal),
                ("food item", Family::Food),
                ("vehicle", Family::Vehicle),
                ("plant", Family::Plant),
            ];
            let family = families.iter().find(|(word, _)| text.contains(word));
            let colour =
                ["red", "blue", "green"].into_iter().find(|c| text.contains(&format!("{c} ")));
            let wanted: Vec<usize> = (0..scene.objects.len())
                .filter(|&k| {
                    let object = &scene.objects[k];
                    let sort = match family {
                        Some((_, family)) => object.family == *family,
                        None => object.class == triplets[0].0,
                    };
                    sort && colour.is_none_or(|c| object.colour == Some(c))
                })
                .collect();
            let mut got: Vec<usize> = triplets.iter().flat_map(|(_, t)| t.clone()).collect();
            got.sort_unstable();
            assert_eq!(got, wanted, "{text}");
        }
    }
    assert!(found > 300 && denied > 30, "{found} {denied}");
}

#[test]
fn counts_are_right() {
    let mut zero = 0;
    for (scene, dialogue) in many(Kind::HowMany, 400) {
        let answer = answer_text(&dialogue);
        let rest = answer.trim_start_matches("There are ").trim_start_matches("There is ");
        let (count, noun) = rest.trim_end_matches('.').split_once(' ').unwrap();
        let count = if count == "no" { 0 } else { count.parse::<usize>().unwrap() };
        zero += usize::from(count == 0);
        let actual = scene
            .objects
            .iter()
            .filter(|object| {
                let family = match object.family {
                    Family::Animal => "animal",
                    Family::Food => "food item",
                    Family::Vehicle => "vehicle",
                    Family::Plant => "plant",
                    _ => "-",
                };
                let singular = [object.class, object.plural, family].contains(&noun);
                singular || noun.strip_suffix('s') == Some(family)
            })
            .count();
        assert_eq!(count, actual, "{answer}");
        assert_eq!(answer.starts_with("There is "), count == 1);
    }
    assert!(zero > 40);
}

#[test]
fn presence_is_true() {
    for (scene, dialogue) in many(Kind::Presence, 600) {
        let text = question_text(&dialogue);
        let colour =
            ["red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "black"]
                .into_iter()
                .find(|c| text.contains(&format!(" {c} ")));
        let there = scene.objects.iter().any(|object| {
            let named = text.split([' ', '.', '?', ',', ':']).any(|word| word == object.class);
            named && colour.is_none_or(|c| object.colour == Some(c))
        });
        assert_eq!(answer_text(&dialogue) == "yes", there, "{text}");
    }
}

#[test]
fn yes_and_no_are_balanced() {
    for kind in [Kind::Presence, Kind::Relation, Kind::RegionQuestion] {
        let answers: Vec<String> = many(kind, 3000).iter().map(|(_, d)| answer_text(d)).collect();
        let yes = answers.iter().filter(|answer| *answer == "yes").count();
        let no = answers.iter().filter(|answer| *answer == "no").count();
        let share = yes as f32 / (yes + no) as f32;
        assert!(yes + no > 500, "{kind}: {yes} {no}");
        assert!((0.42..0.58).contains(&share), "{kind}: {share}");
    }
}

#[test]
fn the_nearer_and_the_farther_are_right() {
    let mut firsts = 0;
    let found = many(Kind::Nearer, 500);
    for (scene, dialogue) in &found {
        let (text, answer) = (question_text(dialogue), answer_text(dialogue));
        let farther = ["farther", "further", "distant", "less near", "last"];
        let less_far = text.contains("less far");
        let wants_far = !less_far && farther.iter().any(|word| text.contains(word));
        let named = |object: &&crate::Object| {
            let by_class = format!("the {}", object.class);
            let by_colour = match (object.colour, object.family) {
                (Some(c), Family::Person) => format!("the person in a {c} shirt"),
                (Some(c), _) => format!("the {c} {}", object.class),
                _ => by_class.clone(),
            };
            answer == by_class || answer == by_colour
        };
        let answered = scene.objects.iter().find(named).unwrap();
        let rivals = scene.objects.iter().filter(|o| o.class != answered.class);
        let mentioned: Vec<_> =
            rivals.filter(|o| text.contains(&format!(" {}", o.class))).collect();
        if let [other] = mentioned.as_slice() {
            assert_eq!(answered.depth_m > other.depth_m, wants_far, "{text} {answer}");
            let at = |class: &str| text.find(&format!(" {class}")).unwrap_or(0);
            firsts += usize::from(at(answered.class) < at(other.class));
        }
    }
    let share = firsts as f32 / found.len() as f32;
    assert!((0.35..0.6).contains(&share), "{share}");
}

#[test]
fn relations_left_and_right_are_true() {
    let mut checked = 0;
    for (scene, dialogue) in many(Kind::Relation, 800) {
        let text = question_text(&dialogue);
        let side = [("left", 1.0), ("right", -1.0)]
            .iter()
            .find(|(s, _)| {
                text.contains(&format!("{s} of")) || text.contains(&format!("{s} side of"))
            })
            .copied();
        let Some((_, sign)) = side else { continue };
        let mut mentioned: Vec<(usize, f32)> = scene
            .objects
            .iter()
            .filter(|o| scene.objects.iter().filter(|p| p.class == o.class).count() == 1)
            .filter_map(|o| {
                Some((text.find(&format!("the {}", o.class))?, o.bbox[0] + o.bbox[2] / 2.0))
            })
            .collect();
        mentioned.sort_by_key(|(at, _)| *at);
        if let [(_, a), (_, b)] = mentioned.as_slice() {
            checked += 1;
            assert_eq!(answer_text(&dialogue) == "yes", sign * (b - a) > 0.0, "{text}");
        }
    }
    assert!(checked > 40, "{checked}");
}

#[test]
fn region_answers_describe_what_is_pointed_at() {
    for (scene, dialogue) in many(Kind::RegionLabel, 200) {
        let answer = answer_text(&dialogue);
        if let refvlm_record::Prompt::Point { x, y } = dialogue.record.prompts[0] {
            let at = y as usize * scene.width as usize + x as usize;
            let object = scene.objects.iter().find(|o| o.mask.pixels[at] == 1).unwrap();
            let expected = match (object.colour, object.family) {
                (Some(c), Family::Person) => format!("a person in a {c} shirt"),
                (Some(c), _) => format!("a {c} {}", object.class),
                (None, _) if object.class == "apple" => "an apple".into(),
                (None, _) => format!("a {}", object.class),
            };
            assert_eq!(answer, expected);
        }
    }
    let captions: BTreeSet<String> = (0..200)
        .map(|s| answer_text(&dialogue_of(Kind::RegionCaption, &beach(), &mut rng(s)).unwrap()))
        .collect();
    let expected = [
        "a dog on the left",
        "a person in a blue shirt in the middle, nearest to the viewer",
        "a red car on the right",
    ];
    assert_eq!(captions.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

#[test]
fn where_and_colour_are_right() {
    for (scene, dialogue) in many(Kind::Where, 400) {
        let (text, answer) = (question_text(&dialogue), answer_text(&dialogue));
        let named: Vec<_> = scene
            .objects
            .iter()
            .filter(|o| text.split([' ', '.', '?', ',', ':']).any(|word| word == o.class))
            .collect();
        match named.as_slice() {
            [] if answer.starts_with("There is no ") => {}
            [one] => {
                let x = (one.bbox[0] + one.bbox[2] / 2.0) / scene.width as f32;
                let place = ["on the left", "in the middle", "on the right"][(x * 3.0) as usize];
                assert_eq!(answer, place, "{text}");
            }
            _ => {
                assert!(["on the left", "in the middle", "on the right"].contains(&answer.as_str()))
            }
        }
    }
    for (scene, dialogue) in many(Kind::Colour, 200) {
        let answer = answer_text(&dialogue);
        assert!(scene.objects.iter().any(|object| object.colour == Some(answer.as_str())));
        assert!(!question_text(&dialogue).contains(&format!(" {answer} ")));
    }
}

#[test]
fn mixed_answers_mix_units() {
    let mut sets = BTreeSet::new();
    for (_, dialogue) in many(Kind::Mixed, 400) {
        let parts = dialogue.record.turns[0].answer.iter();
        let units: BTreeSet<Unit> = parts
            .filter_map(|part| match part {
                AnswerPart::Triplet { unit, .. } => Some(*unit),
                AnswerPart::Text(_) => None,
            })
            .collect();
        assert_eq!(units.len(), 2);
        sets.insert(units);
    }
    assert_eq!(sets.len(), 6, "every pair of units: {sets:?}");
}
