//! What the generator promises: the same bytes, every attack in its place, and nothing that gives attacks away.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::*;

fn ci(seed: u64) -> Benchmark {
    Benchmark::new(seed, Size::Ci)
}

fn hash_of(bench: &Benchmark) -> String {
    let (mut hash, mut text) = (Sha256::new(), String::new());
    let mut lines = bench.lines(Attacks::Included);
    while lines.next_line(&mut text).is_some() {
        text.push('\n');
        hash.update(&text);
        text.clear();
    }
    for file in bench.identity() {
        hash.update(file.text);
    }
    hash.update(serde_json::to_string(&(lines.truth(), bench.benign())).unwrap());
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_seed_gives_the_same_bytes_on_every_machine_and_another_seed_gives_others() {
    assert_eq!(hash_of(&ci(DEFAULT_SEED)), "1552e967af4ddd5e");
    let beginning = |seed| ci(seed).lines(Attacks::Included).take(100).map(|(_, text)| text).collect::<Vec<_>>();
    assert_ne!(beginning(1), beginning(2));
}

#[test]
fn every_kind_and_grade_happens_twice_in_the_scored_half_and_about_300_000_requests_come() {
    for seed in [DEFAULT_SEED, 7] {
        let bench = ci(seed);
        let mut lines = bench.lines(Attacks::Included);
        let count = lines.by_ref().count();
        assert!((240_000..360_000).contains(&count), "{count} lines");
        let mut seen: BTreeMap<(AttackKind, Grade), usize> = BTreeMap::new();
        for incident in lines.truth() {
            *seen.entry((incident.kind, incident.grade)).or_default() += 1;
            assert!(incident.first_request_us >= START + LEARN_DAYS * calendar::DAY, "{incident:?}");
            assert!(incident.start_us <= incident.first_request_us && incident.last_request_us <= incident.end_us);
            assert!(incident.keys.len() <= 1 && !incident.sources.is_empty());
            assert_eq!(incident.request_offsets_ms.first(), Some(&0));
        }
        let all = AttackKind::ALL.len() * Grade::ALL.len();
        assert_eq!(seen.len(), all, "each kind in each grade: {seen:?}");
        assert!(seen.values().sum::<usize>() >= 2 * all - 2, "at most two attacks met no request: {seen:?}");
    }
}

#[test]
fn without_attacks_no_line_belongs_to_one_and_the_learning_half_is_the_same() {
    let bench = ci(3);
    let learning = |attacks| {
        let lines = bench.lines(attacks).take_while(|(line, _)| line.at_us < START + LEARN_DAYS * calendar::DAY);
        lines.map(|(_, text)| text).collect::<Vec<_>>()
    };
    assert_eq!(learning(Attacks::LeftOut), learning(Attacks::Included));
    let mut lines = bench.lines(Attacks::LeftOut);
    while !lines.next_is_attack() {
        if lines.next().is_none() {
            break;
        }
    }
    assert!(lines.next().is_none() && lines.truth().is_empty());
}

/// A line's parts that a detector could mistake for a label.
struct Looks {
    id: String,
    agent: String,
    length: usize,
    header_names: BTreeSet<String>,
}

fn looks_of(text: &str) -> Looks {
    let line: serde_json::Value = serde_json::from_str(text).unwrap();
    let headers = line["request"]["headers"].as_object().unwrap();
    let id = headers.get("x-request-id").or(line["request"].get("id")).and_then(serde_json::Value::as_str).unwrap();
    Looks {
        id: id.to_owned(),
        agent: headers["user-agent"].as_str().unwrap().to_owned(),
        length: text.len(),
        header_names: line.as_object().unwrap().keys().chain(headers.keys()).cloned().collect(),
    }
}

#[test]
fn ids_agents_fields_and_lengths_of_attacks_are_those_of_ordinary_requests() {
    let bench = ci(DEFAULT_SEED);
    let mut lines = bench.lines(Attacks::Included);
    let (mut attack, mut usual) = (Vec::new(), Vec::new());
    loop {
        let is_attack = lines.next_is_attack();
        let Some((line, text)) = lines.next() else { break };
        if line.at_us >= START + LEARN_DAYS * calendar::DAY {
            if is_attack { attack.push(looks_of(&text)) } else { usual.push(looks_of(&text)) }
        }
    }
    assert!(attack.len() > 10_000 && usual.len() > 50_000);

    let agents: BTreeSet<&str> = usual.iter().map(|looks| looks.agent.as_str()).collect();
    let fields: BTreeSet<&BTreeSet<String>> = usual.iter().map(|looks| &looks.header_names).collect();
    let lengths: BTreeSet<usize> = usual.iter().map(|looks| looks.length / 8).collect();
    let mut strange = 0;
    for looks in &attack {
        assert!(agents.contains(looks.agent.as_str()), "only attacks use {}", looks.agent);
        assert!(fields.contains(&looks.header_names), "only attacks have {:?}", looks.header_names);
        strange += usize::from(!lengths.contains(&(looks.length / 8)));
    }
    assert!(strange * 200 < attack.len(), "{strange} attack lines have a length that no other line has");

    // Ids: 32 hex digits, each digit as frequent in attacks as elsewhere.
    let share = |all: &[Looks], place: usize, digit: char| {
        let hits = all.iter().filter(|looks| looks.id.chars().nth(place) == Some(digit)).count();
        draw::real(hits as u64) / draw::real(all.len() as u64)
    };
    assert!(attack.iter().chain(&usual).all(|looks| looks.id.len() == 32));
    for place in [0, 7, 16, 31] {
        for digit in "0123456789abcdef".chars() {
            let difference = share(&attack, place, digit) - share(&usual, place, digit);
            assert!(difference.abs() < 0.012, "digit {digit} at {place} tells attacks apart: {difference}");
        }
    }
}

#[test]
fn attackers_use_networks_that_others_use_too() {
    let bench = ci(11);
    let registry = bench.registry();
    assert!(registry.networks().len() > 100);
    assert_eq!(registry.list().lines().count(), registry.networks().len());
    assert!(bench.benign().iter().any(|trouble| trouble.announced));
    assert_eq!(bench.key_days(), bench.key_count() as u64 * 14);
}
