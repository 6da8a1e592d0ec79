//! What the grammar lets through parses, ends in time, and is what training has seen.

use crate::triplet_support::*;
use refvlm_model::triplet::*;
use refvlm_record::exchange::{AnswerPiece, UnitWord};
use refvlm_record::{Task, Unit};

/// Answers of the template are followed token by token; what the grammar forces is what stands
/// there; and they parse back to what made them.
#[test]
fn every_answer_of_the_template_is_accepted_and_comes_back() {
    for (name, tokenizer) in vocabularies() {
        let mut dice = Dice(11);
        let (mut forced, mut chosen) = (0, 0);
        for round in 0..600 {
            let task = *dice.pick(&Task::ALL);
            let template = Template { cot: round % 4 > 0, ..Template::default() };
            let exchange = exchange(&mut dice, task, 12);
            let rendered = template.render(&exchange).unwrap();
            let mut ids = tokenizer.encode(&rendered.answer).unwrap();
            ids.push(tokenizer.specials().eos);
            // While a concept is open the grammar counts on one token per byte of it.
            let limits = Limits { budget: ids.len() + 40, targets: 12 };
            let mut grammar = Grammar::new(&tokenizer, task.units(), template.cot, limits).unwrap();
            let mut at = 0;
            while at < ids.len() {
                let chunk = match grammar.next().unwrap() {
                    Next::Forced(chunk) => {
                        forced += chunk.len();
                        chunk
                    }
                    Next::Allowed(set) => {
                        assert!(set.len() > 1);
                        chosen += 1;
                        vec![ids[at]]
                    }
                    Next::End => panic!("{name}: ends before {:?}", tokenizer.decode(&ids[at..])),
                };
                let here = tokenizer.decode(&ids[..at]).unwrap();
                let end = ids.len().min(at + chunk.len());
                assert_eq!(chunk, ids[at..end], "{name}: behind {here:?}");
                for id in chunk {
                    grammar.advance(id).unwrap_or_else(|e| panic!("{name}: {here:?}: {e}"));
                    at += 1;
                }
            }
            assert_eq!(grammar.next().unwrap(), Next::End);

            let triplets = parse(&tokenizer, &ids, task.units()).unwrap();
            let made: Vec<_> = (exchange.answer.iter())
                .filter_map(|piece| match piece {
                    AnswerPiece::Triplet { concept, unit, targets, .. } => {
                        Some((concept.clone(), *unit, targets.len()))
                    }
                    AnswerPiece::Text(_) => None,
                })
                .collect();
            let found: Vec<_> = triplets
                .iter()
                .map(|t| (t.concept.clone(), UnitWord::Unit(t.unit.unwrap()), t.refs.len()))
                .collect();
            assert_eq!(found, made, "{name}: {}", rendered.answer);
        }
        println!("{name}: {forced} forced, {chosen} chosen");
        assert!(forced > chosen / 2);
    }
}

fn walk(
    tokenizer: &Tokenizer,
    mut grammar: Grammar,
    dice: &mut Dice,
) -> Result<Vec<u32>, GrammarError> {
    let mut ids = Vec::new();
    // How often this walk prefers structure to words.
    let eager = dice.below(4);
    loop {
        let chunk = match grammar.next()? {
            Next::End => return Ok(ids),
            Next::Forced(chunk) => chunk,
            Next::Allowed(set) => {
                let words = |id: &u32| {
                    let bytes = tokenizer.bytes(*id).unwrap();
                    tokenizer.is_added(*id) || bytes.starts_with(b" Unit")
                };
                let all: Vec<u32> = set.iter().collect();
                let structural: Vec<u32> = set.iter().filter(words).collect();
                let pool = if structural.is_empty() || dice.below(4) >= eager {
                    &all
                } else {
                    &structural
                };
                vec![*dice.pick(pool)]
            }
        };
        for id in chunk {
            grammar.advance(id)?;
            ids.push(id);
        }
    }
}

fn check_walk(tokenizer: &Tokenizer, ids: &[u32], units: &[Unit], cot: bool, limits: Limits) {
    let text = tokenizer.decode(ids).unwrap();
    assert!(ids.len() <= limits.budget, "{} tokens of {}: {text}", ids.len(), limits.budget);
    assert_eq!(ids.last(), Some(&tokenizer.specials().eos), "{text}");
    let triplets = parse(tokenizer, ids, &[]).unwrap();
    for triplet in &triplets {
        assert!(units.contains(&triplet.unit.unwrap()), "{text}");
        assert!((1..=limits.targets).contains(&triplet.refs.len()), "{text}");
        assert!(!triplet.concept.is_empty(), "{text}");
    }
    if cot {
        let found: Vec<_> =
            triplets.iter().map(|t| (t.concept.clone(), t.unit.unwrap(), t.refs.len())).collect();
        assert_eq!(found, plan(&text), "{text}");
    }
    // A text that parses as tokens parses as a string, too.
    let references: usize = triplets.iter().map(|t| t.refs.len()).sum();
    assert_eq!(text.matches("<REF>").count(), references, "{text}");
    assert_eq!(text.matches("<Phrase>").count(), triplets.len(), "{text}");
    assert!(!text.contains('\u{FFFD}'), "{text}");

    // Stretches that were forced are what the template's text is encoded to.
    if cot {
        let open = tokenizer.specials().phrase_open;
        for triplet in &triplets {
            let end = *triplet.refs.last().unwrap();
            let start = ids[..end].iter().rposition(|&id| id == open).unwrap();
            let stretch = &ids[start..=end];
            let again = tokenizer.encode(&tokenizer.decode(stretch).unwrap()).unwrap();
            assert_eq!(stretch, again, "{text}");
        }
    }

    let mut stream = Stream::new(tokenizer, units);
    let mut events: Vec<Event> = ids.iter().flat_map(|&id| stream.push(id).unwrap()).collect();
    events.extend(stream.finish());
    let mut streamed = Vec::new();
    let mut written = String::new();
    for event in events {
        match event {
            Event::Triplet(triplet) => streamed.push(triplet),
            Event::Text(words) => written += &words,
            Event::Plan(_) => assert!(cot),
        }
    }
    assert_eq!(streamed, triplets, "{text}");
    let body = text.split_once("</Task>\n").map_or(text.as_str(), |(_, body)| body);
    let mut rest = body.strip_suffix("</s>").unwrap();
    let mut words = String::new();
    while let Some((before, triplet)) = rest.split_once("<Phrase>") {
        words += before;
        rest = triplet.split_once("<REF>)").unwrap().1;
    }
    assert_eq!(written, words + rest, "{text}");
}

#[test]
fn every_path_parses_and_ends_within_its_budget() {
    let vocabularies = vocabularies();
    let mut dice = Dice(23);
    let (mut triplets, mut longest, mut known_plans) = (0, 0, 0);
    for round in 0..10_000 {
        let (_, tokenizer) = &vocabularies[round % 3];
        let cot = round % 5 > 0;
        let units: Vec<Unit> = Unit::ALL.into_iter().filter(|_| dice.below(3) > 0).collect();
        let targets = 1 + dice.below(20);
        let tight = Limits { budget: 1, targets };
        let needed = match Grammar::new(tokenizer, &units, cot, tight) {
            Err(GrammarError::Budget { needed, .. }) => needed,
            Ok(_) => 1,
            Err(error) => panic!("{error}"),
        };
        let room = [0, 1, 2, 40, 150][dice.below(5)];
        let limits = Limits { budget: needed + dice.below(room + 1), targets };
        let mut grammar = Grammar::new(tokenizer, &units, cot, limits).unwrap();
        // A plan that is known before is written where there is room for it.
        let mut ids = Vec::new();
        if let (0, Some(&unit)) = (round % 3, units.first()) {
            let line = Planned { concept: "grey cat".into(), unit, number: 1 + dice.below(3) };
            let known = vec![line; dice.below(3)];
            ids = grammar.plan_ids(&known).unwrap().unwrap_or_default();
            ids.iter().for_each(|&id| grammar.advance(id).unwrap());
            known_plans += usize::from(!ids.is_empty());
            assert!(ids.is_empty() || grammar.is_planned() && grammar.plan() == known);
        }
        ids.extend(walk(tokenizer, grammar, &mut dice).unwrap());
        check_walk(tokenizer, &ids, &units, cot, limits);
        triplets += parse(tokenizer, &ids, &[]).unwrap().len();
        longest = longest.max(ids.len());
    }
    println!("{triplets} triplets, longest answer {longest} tokens");
    assert!(triplets > 1000 && longest > 100 && known_plans > 500, "{known_plans} known plans");
}

#[test]
fn what_is_known_of_the_picture_decides_the_plan() {
    let tokenizer = own();
    let open = || Grammar::new(&tokenizer, &[Unit::Box], true, Limits::default()).unwrap();
    let line = |concept: &str, number: usize| {
        let concept = concept.to_string();
        Planned { concept, unit: Unit::Box, number }
    };
    let mut dice = Dice(29);
    let mut planned = |plan: &[Planned]| {
        let mut grammar = open();
        assert!(grammar.is_open() && !grammar.is_planned());
        let mut ids = grammar.plan_ids(plan).unwrap().unwrap();
        ids.iter().for_each(|&id| grammar.advance(id).unwrap());
        assert!(grammar.is_planned() && grammar.plan() == plan);
        ids.extend(walk(&tokenizer, grammar, &mut dice).unwrap());
        let triplets = parse(&tokenizer, &ids, &[]).unwrap();
        triplets.into_iter().map(|found| line(&found.concept, found.refs.len())).collect::<Vec<_>>()
    };
    for number in [1, 2, 7, 20] {
        let plan = [line("dog", number), line("red fire engine", 1)];
        assert_eq!(planned(&plan), plan);
    }
    assert_eq!(planned(&[]), []);
    // More than a triplet may have, more than there is room for, and what is no name.
    assert_eq!(open().plan_ids(&[line("dog", 21)]).unwrap(), None);
    assert_eq!(open().plan_ids(&vec![line("dog", 9); 20]).unwrap(), None);
    for concept in ["", " ", "dog Unit: box Num: 1\n- Name: cat", "dog\n</Task>"] {
        assert_eq!(open().plan_ids(&[line(concept, 1)]).unwrap(), None, "{concept:?}");
    }
    // Words alone may say no name.
    let words = Grammar::new(&tokenizer, &[], true, Limits::default()).unwrap();
    assert!(!words.is_open());
    assert_eq!(words.plan_ids(&[line("dog", 1)]).unwrap(), None);
    assert!(words.plan_ids(&[]).unwrap().is_some());
    let mut grammar = open();
    let mut named = Vec::new();
    for id in open().plan_ids(&[line("dog", 2)]).unwrap().unwrap() {
        named.extend(grammar.concept().map(str::to_string));
        grammar.advance(id).unwrap();
    }
    // From behind the name to its number, and no longer.
    assert!(!named.is_empty() && named.iter().all(|name| name == "dog"), "{named:?}");
    assert_eq!(grammar.concept(), None);
}

#[test]
fn a_plan_forces_its_triplets_and_words_alone_have_none() {
    let tokenizer = own();
    let text = |grammar: &mut Grammar, words: &str| {
        for id in tokenizer.encode(words).unwrap() {
            grammar.advance(id).unwrap();
        }
    };
    let forced = |grammar: &Grammar| match grammar.next().unwrap() {
        Next::Forced(ids) => tokenizer.decode(&ids).unwrap(),
        other => panic!("not forced: {other:?}"),
    };
    let mut grammar = Grammar::new(&tokenizer, &[Unit::Box], true, Limits::default()).unwrap();
    let head = "<Task>\nUnit decode (True). Class name, target unit and number:\n- Name:";
    text(&mut grammar, head);
    text(&mut grammar, " dog Unit: box Num: 2\n</Task>\n");
    let eos = tokenizer.specials().eos;
    let refused = grammar.advance(eos).unwrap_err();
    assert!(matches!(refused, GrammarError::Refused { .. }), "{refused}");
    text(&mut grammar, "See <Phrase>");
    assert_eq!(forced(&grammar), "dog</Phrase>(<Unit>box</Unit>[0]<REF>[1]<REF>)");
    text(&mut grammar, "dog</Phrase>(<Unit>box</Unit>[0]<REF>[1]<REF>).");
    let phrase = tokenizer.specials().phrase_open;
    assert!(grammar.advance(phrase).is_err());
    grammar.advance(eos).unwrap();
    assert!(grammar.is_complete());

    let words = Grammar::new(&tokenizer, &[], true, Limits::default()).unwrap();
    assert_eq!(forced(&words), "<Task>\nUnit decode (False).\n</Task>\n");
    let mut words = Grammar::new(&tokenizer, &[], false, Limits::default()).unwrap();
    assert!(words.advance(phrase).is_err());

    let needed = Grammar::new(&tokenizer, &[], true, Limits { budget: 2, targets: 3 });
    assert!(matches!(needed, Err(GrammarError::Budget { budget: 2, needed: 5 })));
    let none = Grammar::new(&tokenizer, &[], true, Limits { budget: 9, targets: 0 });
    assert!(matches!(none, Err(GrammarError::Targets(0))));
}

#[test]
fn a_stream_shows_damaged_answers_as_words() {
    let tokenizer = own();
    let read = |text: &str| {
        let mut stream = Stream::new(&tokenizer, &[Unit::Mask]);
        let ids = tokenizer.encode(text).unwrap();
        let mut events: Vec<Event> = ids.iter().flat_map(|&id| stream.push(id).unwrap()).collect();
        events.extend(stream.finish());
        let (mut words, mut triplets) = (String::new(), Vec::new());
        for event in events {
            match event {
                Event::Text(text) => words += &text,
                Event::Triplet(t) => triplets.push((t.concept, t.unit, t.refs.len())),
                Event::Plan(_) => {}
            }
        }
        (words, triplets)
    };
    let mask = Some(Unit::Mask);
    assert_eq!(read("a <Phrase>dog</Phrase> runs"), ("a dog runs".into(), vec![]));
    assert_eq!(read("<Phrase>dog"), ("dog".into(), vec![]));
    assert_eq!(read("<Phrase>dog</Phrase>([0]<REF>) ok").1, [("dog".into(), mask, 1)]);
    let unknown = "<Phrase>dog</Phrase>(<Unit>blob</Unit>[0]<REF>[1]<REF>";
    assert_eq!(read(unknown), (String::new(), vec![("dog".into(), mask, 2)]));
    assert_eq!(read("[0]<REF>").1, [(String::new(), mask, 1)]);
}

#[test]
fn white_space_ends() {
    for (name, tokenizer) in vocabularies() {
        let limits = Limits { budget: 60, targets: 1 };
        let mut grammar = Grammar::new(&tokenizer, &[], false, limits).unwrap();
        let space = *tokenizer.encode(" ").unwrap().first().unwrap();
        let mut written = 0;
        let mut word = None;
        while let Next::Allowed(set) = grammar.next().unwrap() {
            if !set.contains(space) {
                assert!(set.contains(tokenizer.specials().eos), "{name}");
                word = set.iter().find(|&id| tokenizer.bytes(id).is_ok_and(|b| b == b"a"));
                break;
            }
            grammar.advance(space).unwrap();
            written += 1;
        }
        assert_eq!(written, 4, "{name}");
        // Behind a word there may be some again.
        grammar.advance(word.unwrap()).unwrap();
        let Next::Allowed(set) = grammar.next().unwrap() else { panic!("{name}: no choice") };
        assert!(set.contains(space), "{name}");
    }
}
