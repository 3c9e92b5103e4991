//! Every way to tamper with a chain or an export, and the reason that is named.

use super::manifest::Count;
use super::*;

/// A stand-in for Ed25519 that is as strict: only the named key makes the signature of exactly these bytes.
fn sign(key: &PublicKey, message: &[u8]) -> Signature {
    let half = hash(&[key.0.as_slice(), message].concat());
    Signature([half, half].concat().try_into().unwrap())
}

fn verify(key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
    sign(key, message) == *signature
}

const OURS: PublicKey = PublicKey([7; 32]);
const FOREIGN: PublicKey = PublicKey([9; 32]);
const HOUR: i64 = 3_600_000_000;

/// A digest, its signature, and its records.
#[derive(Clone)]
struct Kept {
    name: u64,
    text: Vec<u8>,
    signature: Option<Vec<u8>>,
    records: Option<Vec<u8>>,
}

fn record(sequence: u64, at_us: i64) -> String {
    let mut text = String::new();
    let mut line = Line::begin(&mut text);
    line.text("at", &crate::time::exact(at_us));
    line.integer("seq", i64::try_from(sequence).ok());
    line.text("who", "ana");
    line.end();
    text
}

/// Writes hours with so many records each.
fn chain(hours: &[u64], key: &PublicKey, from_us: i64) -> Vec<Kept> {
    let (mut kept, mut tree, mut previous) = (Vec::new(), Tree::default(), None);
    for (place, records) in hours.iter().enumerate() {
        let begin = from_us + i64::try_from(place).unwrap() * HOUR;
        let lines: String =
            (0..*records).map(|n| record(tree.size() + n + 1, begin + i64::try_from(n).unwrap())).collect();
        let next = digest_after(&tree, previous, place as u64 + 1, begin, &lines, key);
        tree = next.tree.clone();
        let text = next.to_text().into_bytes();
        let signature = sign(key, &text);
        previous = Some(Link { digest: hash(&text), signature });
        kept.push(Kept {
            name: next.sequence,
            text,
            signature: Some(signature.0.to_vec()),
            records: (*records > 0).then(|| lines.into_bytes()),
        });
    }
    kept
}

fn digest_after(
    before: &Tree,
    previous: Option<Link>,
    sequence: u64,
    from_us: i64,
    lines: &str,
    key: &PublicKey,
) -> Digest {
    let mut tree = before.clone();
    lines.lines().for_each(|line| tree.push(leaf_hash(line.as_bytes())));
    let records = tree.size() - before.size();
    let segment = (records > 0).then(|| Segment {
        sum: hash(lines.as_bytes()),
        path: Segment::path(from_us + HOUR, before.size() + 1, tree.size()),
    });
    Digest {
        tenant: "acme".to_owned(),
        origin: "main".to_owned(),
        sequence,
        from_us,
        to_us: from_us + HOUR,
        tree,
        records,
        previous,
        key: key.id(),
        anchors: vec!["kafka/access/0 1200".to_owned()],
        segment,
    }
}

fn walk(kept: &[Kept], own: &[Head], outside: &[Head]) -> ChainReport {
    let trusted = [OURS];
    let mut check = ChainCheck::new(&trusted, &verify);
    for Kept { name, text, signature, records } in kept {
        if check.digest(*name, text, signature.as_deref()).is_some() {
            check.records(records.as_deref());
        }
    }
    check.finish(own, outside)
}

fn resign(kept: &mut Kept, key: &PublicKey, change: impl FnOnce(&mut Digest)) {
    let mut digest = Digest::parse(&kept.text).unwrap();
    change(&mut digest);
    digest.key = key.id();
    kept.text = digest.to_text().into_bytes();
    kept.signature = Some(sign(key, &kept.text).0.to_vec());
}

const PLAN: [u64; 6] = [3, 0, 5, 1, 4, 2];

fn head_of(kept: &Kept) -> Head {
    Digest::parse(&kept.text).unwrap().head(&kept.text)
}

/// Tampers with a sound chain; the faults must be exactly these.
fn check(what: &str, tamper: impl FnOnce(&mut Vec<Kept>), expected: &[Tampering]) {
    let mut kept = chain(&PLAN, &OURS, HOUR);
    let head = head_of(&kept[5]);
    tamper(&mut kept);
    assert_eq!(walk(&kept, &[head], &[]).faults, expected, "{what}");
}

fn path_of(kept: &Kept) -> String {
    Digest::parse(&kept.text).unwrap().segment.unwrap().path
}

#[test]
fn a_sound_chain_has_no_fault_and_counts_what_it_holds() {
    let kept = chain(&PLAN, &OURS, HOUR);
    let report = walk(&kept, &[head_of(&kept[5])], &[head_of(&kept[2])]);
    assert_eq!((report.digests, report.records, report.begins_at, report.faults), (6, 15, 1, vec![]));
    assert_eq!(report.head.map(|(head, _)| head), Some(head_of(&kept[5])));
    let part = walk(&kept[3..], &[], &[]);
    assert_eq!((part.begins_at, part.faults), (4, vec![]), "a part of a chain stands alone");
}

#[test]
fn each_change_of_a_chain_is_named_for_what_it_is() {
    let sound = chain(&PLAN, &OURS, HOUR);
    let records = path_of(&sound[2]);
    let digest = digest_path(3);
    check(
        "a byte of a record",
        |kept| kept[2].records.as_mut().unwrap()[20] ^= 1,
        &[Tampering::FileChanged { path: records.clone() }],
    );
    check("a byte of a digest", |kept| kept[2].text[40] ^= 1, &[Tampering::TextChanged { path: digest.clone() }]);
    check(
        "a byte of a signature",
        |kept| kept[2].signature.as_mut().unwrap()[4] ^= 1,
        &[Tampering::TextChanged { path: digest.clone() }],
    );
    check("a signature dropped", |kept| kept[2].signature = None, &[Tampering::Unsigned { path: digest.clone() }]);
    check("records dropped", |kept| kept[2].records = None, &[Tampering::FileMissing { path: records.clone() }]);
    check("a digest dropped", |kept| drop(kept.remove(2)), &[Tampering::DigestsMissing { from: 3, to: 3 }]);
    check("the tail of the chain", |kept| kept.truncate(4), &[Tampering::TailCut { last: 4, known: 6 }]);
    check(
        "the tail of the records",
        |kept| {
            let bytes = kept[2].records.as_mut().unwrap();
            bytes.truncate(bytes.len() - 70);
        },
        &[Tampering::FileCut { path: records.clone() }],
    );
    check(
        "two records exchanged",
        |kept| {
            let bytes = kept[2].records.take().unwrap();
            let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
            lines.swap(1, 3);
            kept[2].records = Some(lines.concat());
        },
        &[Tampering::Reordered { path: records }],
    );
    check(
        "signed by a foreign key",
        |kept| resign(&mut kept[2], &FOREIGN, |_| ()),
        &[Tampering::ForeignKey { path: digest.clone(), key: FOREIGN.id() }],
    );
    check(
        "a foreign signature under our key's name",
        |kept| kept[2].signature = Some(sign(&FOREIGN, &kept[2].text).0.to_vec()),
        &[Tampering::TextChanged { path: digest }],
    );
}

#[test]
fn digests_under_other_names_are_told_from_old_ones_played_again() {
    check(
        "two digests exchanged",
        |kept| {
            let (left, right) = (kept[2].name, kept[3].name);
            (kept[2].name, kept[3].name) = (right, left);
            kept.swap(2, 3);
        },
        &[
            Tampering::Misplaced { path: digest_path(3), sequence: 4 },
            Tampering::Misplaced { path: digest_path(4), sequence: 3 },
        ],
    );
    let forked = Tampering::Forked { sequence: 6 };
    check(
        "an old head in the place of the newest",
        |kept| kept[5] = Kept { name: 6, ..kept[4].clone() },
        &[Tampering::Replayed { path: digest_path(6), sequence: 5 }, forked],
    );
}

#[test]
fn a_history_written_anew_by_the_owner_of_the_key_contradicts_a_head_that_left() {
    let (told, new) = (chain(&PLAN, &OURS, HOUR), chain(&[3, 0, 4, 1, 4, 2], &OURS, HOUR));
    assert_eq!(walk(&new, &[], &[]).faults, [], "by itself it is as good as any");
    assert_eq!(walk(&new, &[], &[head_of(&told[4])]).faults, [Tampering::Forked { sequence: 5 }]);
    let spliced = [&told[..3], &new[3..]].concat();
    assert_eq!(walk(&spliced, &[], &[]).faults, [Tampering::Forked { sequence: 4 }]);
    let old = walk(&told[..3], &[head_of(&told[2])], &[head_of(&told[4])]);
    assert_eq!(old.faults, [Tampering::OldHead { last: 3, known: 5 }], "an old copy, sound in itself");
}

#[test]
fn what_only_the_owner_of_the_key_can_do_wrong_is_named_too() {
    check(
        "the clock of a period",
        |kept| resign(&mut kept[5], &OURS, |digest| digest.from_us -= 2 * HOUR),
        &[Tampering::ClockBack { path: digest_path(6), sequence: 6 }, Tampering::Forked { sequence: 6 }],
    );
    check(
        "another tenant's digest",
        |kept| resign(&mut kept[5], &OURS, |digest| digest.tenant = "b".to_owned()),
        &[Tampering::OtherChain { path: digest_path(6) }, Tampering::Forked { sequence: 6 }],
    );
    check(
        "a record that is older than the one before it",
        |kept| {
            let before = Digest::parse(&kept[4].text).unwrap().tree;
            let lines = record(14, 6 * HOUR) + &record(15, 2 * HOUR);
            let leaves = lines.clone();
            resign(&mut kept[5], &OURS, |digest| {
                digest.tree = digest_after(&before, None, 6, 0, &leaves, &OURS).tree;
                digest.segment.as_mut().unwrap().sum = hash(leaves.as_bytes());
            });
            kept[5].records = Some(lines.into_bytes());
        },
        &[
            Tampering::ClockBack { path: path_of(&chain(&PLAN, &OURS, HOUR)[5]), sequence: 15 },
            Tampering::Forked { sequence: 6 },
        ],
    );
    check(
        "a root that is not that of the records",
        |kept| {
            resign(&mut kept[5], &OURS, |digest| {
                let edge = digest.tree.edge().iter().map(|edge| hash(edge)).collect();
                digest.tree = Tree::of(digest.tree.size(), edge).unwrap();
            });
        },
        &[Tampering::RootDiffers { path: path_of(&chain(&PLAN, &OURS, HOUR)[5]) }, Tampering::Forked { sequence: 6 }],
    );
}

#[test]
fn a_signed_text_has_one_form() {
    let text = chain(&PLAN, &OURS, HOUR).remove(2).text;
    let text = String::from_utf8(text).unwrap();
    assert!(Digest::parse(text.as_bytes()).is_ok());
    for other in [
        text.replace("# tenant: acme\n", ""),
        text.replace("# tenant: acme\n# origin: main\n", "# origin: main\n# tenant: acme\n"),
        text.replace("records: 5", "records: 05"),
        text.replace("  records/", "  ../records/"),
        text.replace("  records/", "  /records/"),
        text.to_uppercase(),
        format!("{text}\n"),
        text.trim_end().to_owned(),
    ] {
        assert!(Digest::parse(other.as_bytes()).is_err(), "{other}");
    }
}

#[test]
fn names_become_paths_that_cannot_leave_their_folder() {
    for (name, expected) in [
        ("acme", "acme"),
        ("", "-"),
        ("-", "=2D"),
        ("..", "=2E=2E"),
        ("a/../b", "a=2F..=2Fb"),
        ("Zoë\n", "Zo=C3=AB=0A"),
    ] {
        assert_eq!(encoded(name), expected);
        assert_eq!(super::sums::decoded(expected).as_deref(), Some(name));
    }
}

#[test]
fn canonical_lines_have_sorted_keys_no_nulls_and_no_fractions() {
    let value = serde_json::json!({ "b": [1, null, true], "a": "tab\t\"quote\" \\ \u{1}é\u{2028}\u{7f}", "c": null });
    assert_eq!(
        canonical(&value).unwrap(),
        "{\"a\":\"tab\\t\\\"quote\\\" \\\\ \\u0001é\u{2028}\u{7f}\",\"b\":[1,null,true]}"
    );
    assert_eq!(canonical(&serde_json::json!(1.5)), Err(NotCanonical));
    let mut text = String::new();
    let mut line = Line::begin(&mut text);
    line.text("a", "x\"\"\n");
    line.text("b", "");
    line.integer("c", Some(i64::MIN));
    line.texts("d", ["1", "2"].into_iter());
    line.end();
    assert_eq!(text, "{\"a\":\"x\\\"\\\"\\n\",\"c\":-9223372036854775808,\"d\":[\"1\",\"2\"]}\n");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["a"], "x\"\"\n");
}

/// The vectors of the reference implementation (google/certificate-transparency, `merkletree/merkle_tree_test.cc`).
#[test]
fn the_tree_is_that_of_the_rfc() {
    let leaves = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    let bytes = |hex: &str| -> Vec<u8> {
        let digits: Vec<u8> = hex.chars().map(|digit| u8::try_from(digit.to_digit(16).unwrap()).unwrap()).collect();
        digits.chunks(2).map(|pair| pair[0] * 16 + pair[1]).collect()
    };
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut tree = Tree::default();
    assert_eq!(hex(&tree.root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (leaf, root) in leaves.iter().zip(roots) {
        tree.push(leaf_hash(&bytes(leaf)));
        assert_eq!(hex(&tree.root()), root);
    }
}

#[test]
fn every_leaf_of_the_newest_part_can_be_proven_and_no_other_record() {
    let leaves: Vec<Hash> = (0..70_u64).map(|n| leaf_hash(&n.to_be_bytes())).collect();
    for size in 1..leaves.len() {
        for part in [0, size / 3, size / 2, size - 1] {
            let (mut before, mut whole) = (Tree::default(), Tree::default());
            leaves[..part].iter().for_each(|leaf| before.push(*leaf));
            leaves[..size].iter().for_each(|leaf| whole.push(*leaf));
            for index in part..size {
                let path = prove_inclusion(&before, &leaves[part..size], index as u64).unwrap();
                let holds = |leaf, at| inclusion_holds(leaf, at, size as u64, &path, &whole.root());
                assert!(holds(leaves[index], index as u64), "{index} of {size}, the part from {part}");
                assert!(!holds(leaves[size], index as u64) && !holds(leaves[index], index as u64 + 1));
            }
            assert_eq!(prove_inclusion(&before, &leaves[part..size], size as u64), None);
        }
    }
}

#[test]
fn a_public_key_is_the_pem_that_openssl_writes() {
    // RFC 8410, section 10.1.
    let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    let key = PublicKey::of_pem(pem).unwrap();
    assert_eq!(key.to_pem(), pem);
    assert_eq!(PublicKey::of_pem(&pem.replace("MCow", "MCox")), None);
}

fn manifest(files: &[(&str, &[u8], Option<u64>)]) -> Manifest {
    let records: u64 = files.iter().filter_map(|(_, _, records)| *records).sum();
    let entry = |(path, bytes, records): &(&str, &[u8], Option<u64>)| FileEntry {
        sum: Sum { hash: hash(bytes), path: (*path).to_owned() },
        records: *records,
    };
    Manifest {
        scope: Scope { from_us: 0, to_us: HOUR, tenant: Some("a b".to_owned()), ..Scope::default() },
        output: "ndjson".to_owned(),
        tables: vec![("events".to_owned(), 12)],
        counts: vec![Count { what: "events".to_owned(), in_lake: records, exported: records }],
        streams: vec!["access 0 next 17".to_owned()],
        heads: vec![Head { tenant: "a b".to_owned(), sequence: 3, digest: hash(b"digest") }],
        newest: vec![Head { tenant: String::new(), sequence: 9, digest: hash(b"newest") }],
        key: OURS.id(),
        files: files.iter().map(entry).collect(),
    }
}

/// Checks an export of two files of which `lying` are there.
fn judged(claim: &Manifest, key: &PublicKey, lying: &[(&str, &[u8], bool)]) -> Vec<Tampering> {
    let text = claim.to_text();
    assert_eq!(Manifest::parse(text.as_bytes()).as_ref(), Ok(claim));
    let signature = sign(key, text.as_bytes());
    let mut check = match ManifestCheck::open(text.as_bytes(), Some(&signature.0), &[OURS], &verify) {
        Ok(check) => check,
        Err(fault) => return vec![fault],
    };
    for (place, entry) in claim.files.iter().enumerate() {
        if let Some((_, bytes, in_order)) = lying.iter().find(|(path, _, _)| *path == entry.sum.path) {
            let records = Some(bytes.iter().filter(|byte| **byte == b'\n').count() as u64);
            check.file(place, FileSeen { sum: hash(bytes), records, in_order: *in_order });
        }
    }
    check.finish(&lying.iter().map(|(path, _, _)| (*path).to_owned()).collect::<Vec<_>>())
}

#[test]
fn each_change_of_an_export_is_named_for_what_it_is() {
    let (one, two): (&[u8], &[u8]) = (b"1\n2\n", b"3\n4\n5\n");
    let claim = manifest(&[("events/1", one, Some(2)), ("events/2", two, Some(3))]);
    let at = |path: &str| path.to_owned();
    type Found<'a> = (&'a str, &'a [u8], bool);
    let cases: [(&str, &[Found<'_>], &[Tampering]); 7] = [
        ("nothing", &[("events/1", one, true), ("events/2", two, true)], &[]),
        (
            "a byte",
            &[("events/1", b"1\n9\n", true), ("events/2", two, true)],
            &[Tampering::FileChanged { path: at("events/1") }],
        ),
        (
            "the end",
            &[("events/1", one, true), ("events/2", b"3\n4\n", true)],
            &[Tampering::FileCut { path: at("events/2") }],
        ),
        (
            "the order",
            &[("events/1", one, true), ("events/2", b"4\n3\n5\n", false)],
            &[Tampering::Reordered { path: at("events/2") }],
        ),
        (
            "files exchanged",
            &[("events/1", two, true), ("events/2", one, true)],
            &[Tampering::Reordered { path: at("events/1") }, Tampering::Reordered { path: at("events/2") }],
        ),
        ("a file dropped", &[("events/1", one, true)], &[Tampering::FileMissing { path: at("events/2") }]),
        (
            "a file added",
            &[("events/1", one, true), ("events/2", two, true), ("events/3", one, true)],
            &[Tampering::FileAdded { path: at("events/3") }],
        ),
    ];
    for (what, lying, expected) in cases {
        assert_eq!(judged(&claim, &OURS, lying), expected, "{what}");
    }
    let sound: [(&str, &[u8], bool); 2] = [("events/1", one, true), ("events/2", two, true)];
    let foreign = Manifest { key: FOREIGN.id(), ..claim.clone() };
    assert_eq!(judged(&foreign, &FOREIGN, &sound), [Tampering::ForeignKey { path: at("MANIFEST"), key: FOREIGN.id() }]);
    assert_eq!(judged(&claim, &FOREIGN, &sound), [Tampering::TextChanged { path: at("MANIFEST") }]);
    let mut short = claim;
    short.counts[0].in_lake = 6;
    let incomplete = Tampering::Incomplete { what: at("events"), in_lake: 6, exported: 5 };
    assert_eq!(judged(&short, &OURS, &sound), [incomplete]);
}
