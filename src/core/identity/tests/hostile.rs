//! Input that is not what it should be, and secrets that must not stay.

use super::*;
use crate::identity::{EntityKind, Severity, history_rows};

#[test]
fn a_row_that_cannot_be_read_is_a_finding_with_file_and_line() {
    let deep = format!("{{\"key_id\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let long = format!("{{\"key_id\":\"k\",\"name\":\"{}\"}}", "x".repeat(10_000_000));
    let cases: [(&[u8], FindingCode); 11] = [
        (b"{\"key_id\":\"k\"", FindingCode::BadRow),
        (b"[1,2]", FindingCode::BadRow),
        (b"nonsense", FindingCode::BadRow),
        (b"{\"key_id\":\"k\xff\"}", FindingCode::BadRow),
        (b"{\"key_id\":\"k\0\"}", FindingCode::BadRow),
        (b"{\"key_id\":\"k\\u0000\"}", FindingCode::BadId),
        (b"{\"principal_id\":\"p\"}", FindingCode::BadId),
        (b"{\"key_id\":\"\"}", FindingCode::BadId),
        (b"{\"key_id\":[\"k\"]}", FindingCode::BadId),
        (deep.as_bytes(), FindingCode::BadRow),
        (long.as_bytes(), FindingCode::BadRow),
    ];
    for (row, code) in cases {
        let mut builder = DirectoryBuilder::new(&pepper());
        builder.open(snapshot("2026-11-24T05:00:00Z", "prod"));
        builder.push_json(Table::Keys, Place { file: "keys.ndjson", line: 7 }, row);
        let loaded = builder.finish();
        let shown = String::from_utf8_lossy(&row[..row.len().min(40)]).into_owned();
        assert_eq!(codes(&loaded.findings), [code], "{shown}");
        assert!(loaded.findings.list()[0].to_string().starts_with("error: keys.ndjson:7: "), "{shown}");
        assert_eq!(loaded.directory.key_count(), 0, "{shown}");
    }
}

#[test]
fn a_bad_cell_costs_the_cell_and_not_the_row() {
    let row = r#"{"key_id":"k","fingerprints":{"sha256":"zz","md5":"00"},"expires_at":"tomorrow","status":"sleeping","allowed_ips":["10.0.0.0/8","here"],"scopes":{"a":1},"colour":"red","created_at":1794000000}"#;
    let loaded = load(&[(Table::Keys, row)]);
    let mut found = codes(&loaded.findings);
    found.sort_unstable();
    assert_eq!(
        found,
        [
            FindingCode::BadTime,
            FindingCode::BadTime,
            FindingCode::BadValue,
            FindingCode::BadValue,
            FindingCode::BadValue,
            FindingCode::BadFingerprint,
            FindingCode::UnknownColumn,
            FindingCode::UnknownScheme,
            FindingCode::Unhashed,
        ]
    );
    let key = loaded.directory.key_at(loaded.directory.find_key("k").unwrap(), 0);
    assert_eq!((key.allowed_ips.len(), key.expires_at), (1, None));
}

#[test]
fn references_that_lead_nowhere_are_findings() {
    let keys = format!(
        "{{\"key_id\":\"k\",\"key\":\"{KEY}\",\"principal_id\":\"nobody\",\"tenant_id\":\"nowhere\",\"replaced_by\":\"none\",\"expires_at\":\"2026-01-01T00:00:00Z\"}}"
    );
    let loaded = load(&[
        (Table::Keys, &keys),
        (Table::Principals, "{\"principal_id\":\"p\"}"),
        (Table::Tenants, "{\"tenant_id\":\"t\"}\n{\"tenant_id\":\"T 1\"}"),
        (Table::Grants, "{\"principal_id\":\"ghost\",\"scope\":\"s\"}\n{\"scope\":\"s\"}"),
    ]);
    let mut found = codes(&loaded.findings);
    found.sort_unstable();
    assert_eq!(
        found,
        [
            FindingCode::BadRow,
            FindingCode::DanglingPrincipal,
            FindingCode::DanglingTenant,
            FindingCode::DanglingReplacement,
            FindingCode::DanglingGrant,
            FindingCode::ExpiredButActive,
            FindingCode::OddTenantId,
        ]
    );
    let key = loaded.directory.key_at(loaded.directory.find_key("k").unwrap(), 0);
    assert_eq!((key.principal_id, key.principal, key.tenant), ("nobody", None, None));
}

#[test]
fn findings_are_bounded_and_still_counted() {
    let rows = "x\n".repeat(5000);
    let loaded = load(&[(Table::Keys, &rows)]);
    assert_eq!(loaded.findings.list().len(), 1000);
    assert_eq!(loaded.findings.count(Severity::Error), 5000);
}

#[test]
fn no_clear_key_is_left_in_what_a_directory_or_its_findings_can_show() {
    let broken = format!(
        "{{\"key_id\":\"broken\",\"key\":{{\"v\":\"{KEY}\"}},\"expires_at\":\"{KEY}\",\"status\":\"{KEY}\",\"length\":\"{KEY}\"}}"
    );
    let torn = format!("{{\"key_id\":\"torn\",\"key\":\"{KEY}");
    let rows = format!("{{\"key_id\":\"k\",\"key\":\"{KEY}\",\"principal_id\":\"p\"}}\n{broken}\n{torn}");
    let loaded = load(&[(Table::Keys, &rows)]);
    let rotated = load_as(snapshot("2026-11-25T05:00:00Z", "prod"), &[(Table::Keys, &rows.replace(KEY, OTHER_KEY))]);
    let next = Directory::succeed(&loaded.directory, rotated.directory);
    let mut shown = format!("{:?} {:?} {next:?}", loaded.findings, loaded.directory);
    for directory in [&loaded.directory, &next] {
        shown.push_str(&format!("{:?}", history_rows(&Directory::empty(), directory)));
        for key in directory.keys() {
            shown.push_str(&format!("{:?}", directory.key_versions(key).collect::<Vec<_>>()));
        }
        // The interners are where text lives: all of it.
        for code in 0..u32::try_from(directory.vocabulary.len()).unwrap() {
            shown.push_str(directory.vocabulary.get(code));
        }
        for pool in [&directory.keys.ids, &directory.principal_ids, &directory.tenant_ids] {
            (0..u32::try_from(pool.len()).unwrap()).for_each(|code| shown.push_str(pool.get(code)));
        }
    }
    shown.push_str(&serde_json::to_string(&crate::identity::Diff::between(&loaded.directory, &next)).unwrap());
    shown.push_str(&format!("{:?}", history_rows(&loaded.directory, &next)));
    assert!(shown.contains("\"p\""), "the check looks at something");
    for secret in [KEY, OTHER_KEY] {
        for piece in [part(secret, 8..20), part(secret, 20..32), part(secret, 24..36)] {
            assert!(!shown.contains(piece), "{piece}");
        }
    }
    assert_eq!(EntityKind::ALL.len(), 4);
}

#[test]
fn a_key_costs_less_than_400_bytes() {
    let mut builder = DirectoryBuilder::new(&pepper());
    builder.open(snapshot("2026-11-24T05:00:00Z", "prod"));
    // Just past a doubling of every table: the most that a key can cost.
    let keys = 120_000;
    for line in 1..=keys {
        let row = format!(
            "{{\"key_id\":\"key_0123456789abcdef_{line}\",\"key\":\"ck_live_{line:032x}\",\"environment\":\"prod\",\
             \"principal_id\":\"p-{}\",\"tenant_id\":\"t{}\",\"scopes\":[\"read\",\"write\"],\
             \"created_at\":\"2026-10-01T00:00:00Z\",\"expires_at\":\"2027-10-01T00:00:00Z\",\
             \"last_rotated_at\":\"2026-10-02T00:00:00Z\",\"status\":\"active\"}}",
            line % 9_000,
            line % 500
        );
        builder.push_json(Table::Keys, Place { file: "keys.ndjson", line }, row.as_bytes());
    }
    let directory = builder.finish().directory;
    let bytes = directory.heap_bytes() / usize::try_from(keys).unwrap();
    assert!(bytes < 400, "{bytes} bytes a key");
}
