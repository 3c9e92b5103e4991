// What the API answers, as far as the dashboard reads it. Types only: nothing here reaches the browser.

export type Instant = string // RFC 3339, Z
export type Count = number | string // 64-bit integers may come as text
export type Row = Record<string, unknown>

export interface Series { class: string, counts: number[] }
export interface Buckets { bucket_s: number, buckets: Instant[], complete_until?: Instant, requests: number[], series: Series[] }

export interface Overview extends Buckets {
  from: Instant, to: Instant, as_of: Instant
  usual_per_minute: number | null
  usual_days_seen?: number
  usual_days_needed?: number
  top: Top[]
  flow: { denied_by: string, class: string, tenant: string | null, others?: boolean, count: number }[]
  incidents: Incident[]
  markers: Marker[]
  ingest: Ingest
}
export interface Top { cause: string, class: string, tenant: string | null, others?: boolean, count: number, keys: number, keys_at_least?: boolean }
export interface Marker { at: Instant, kind: string, title: string, id?: string }
export interface Ingest {
  behind_ms: number | null, rejects: number | null, last_event_at: Instant | null
  snapshot_version: string | null, snapshot_age_s: number | null, snapshot_limit_s?: number | null
}
export interface Delta { as_of: Instant, complete_until?: Instant, buckets: Instant[], requests: number[], series: Series[], ingest?: Ingest }

export interface Incident {
  id: string, short_id: string, title: string, severity: string, status: string
  cause: string | null, class: string | null
  entity: { kind: string, id: string }, tenant: string | null
  /** When it was opened. */
  since: Instant
  /** Where the time begins that its findings judged. */
  judged_from: Instant
  last_at: Instant
  /** Null where the lake could not count them. */
  failures: number | null, keys: number | null, principals: number | null
  acknowledged_by: string | null, silenced_until: Instant | null, silenced_by?: string | null, version: number
}
export interface IncidentPage extends Incident {
  explanation: { expected?: unknown, seen?: unknown, unit?: string, probability?: number | null, driver?: unknown, quiet_if?: unknown } | null
  evidence: Row[]
  affected: Record<string, unknown[]>
  runbook: string[]
  /** The question that shows its newest requests. */
  requests: string
  done_when: DoneWhen | null
  history: { at: Instant, what: string, by: string | null, note: string | null }[]
  deliveries: { at: Instant, to: string, outcome: string, reason: string | null }[]
}
export interface DoneWhen { sql: string, expected: unknown }

export interface StateChange { at: Instant, field: string, from: string | null, to: string | null, version?: string | null }
export interface Entity extends Buckets {
  kind: string, id: string, label: string, known: boolean
  facts: Record<string, unknown>
  states: StateChange[], findings: Row[], incidents: Incident[]
  tables: Record<string, Row[]>
}

export type Outcome = 'pass' | 'fail' | 'unknown' | 'skipped'
export interface Check { name: string, result: Outcome, fact: string | null, at?: Instant | null, version?: string | null, source?: string | null }
export interface Diagnosis {
  subject: { kind: string, id: string, label: string }
  at: Instant, snapshot_version: string | null
  request: Row | null
  verdict: {
    cause: string | null, class: string | null, label: string, sentence: string, confidence: string | null
    denied_by: string | null, contradiction: string | null, missing_field: string | null
  } | null
  steps: { step: number, name: string, result: Outcome, checks: Check[] }[]
  timeline: { bucket_s: number, buckets: Instant[], requests: number[], failures: number[], states: StateChange[] } | null
  remedy: { owner: string | null, action: string, scopes?: string[], settings?: string[], by?: unknown } | null
  callers: { network: string | null, agent: string | null, route: string | null, per_minute: number, last_at: Instant }[]
  done_when: DoneWhen | null
  alternatives: { cause: string, label: string, result: string, why: string | null }[]
  others?: { kind: string, id: string, label: string }[]
}

export interface Share { name: string, label: string, requests_per_day: number, last_at: Instant }
/** Who would break. */
export interface Impact {
  change: string, known: boolean, sentence: string, from: Instant, to: Instant
  requests_per_day: number, refused_already_per_day: number
  tenants: Share[], keys: Share[], routes: Share[], callers: Share[]
}

export interface Explanation {
  dimensions: { dimension: string, values: { value: string | null, share_before: number, share_now: number, count_before: number, count_now: number }[] }[]
}

export interface Column { name: string, type: string, unit?: string | null, meaning?: string | null }
export interface Table { columns: Column[], rows: unknown[][], row_count: Count, cut: boolean, elapsed_ms: number, bytes_read: Count }
export interface Parameter { name: string, type: string, default: unknown, meaning?: string | null, required?: boolean, values?: string[], example?: string }
export interface Report { name: string, title: string, question: string, group: string, parameters: Parameter[], columns: Column[], chart?: { shape: string, x: string, y: string, series: string | null } | null }
export interface Catalog {
  tables: { name: string, meaning?: string, columns: Column[] }[]
  causes: { code: string, label: string, class: string, sentence: string, remedy: string, owner: string }[]
  classes: { code: string, label: string }[]
  denied_by: { code: string, label: string }[]
  reports: Report[]
  limits: Record<string, unknown>
}
export interface Session { name: string, proof: string, scopes: string[], tenant: string | null, expires_at: Instant | null }
export interface Export {
  id: string, state: 'waiting' | 'running' | 'done' | 'failed', from: Instant, to: Instant, tenant?: string, output: string, asked_by: string
  records: number, written: number, bytes: number, failed?: string, hint?: string
  files: { path: string, sha256: string, records?: number }[], verify?: string
}
/** How far the chain of accesses is proven. */
export interface Chain { records: number, covered: number, digest_sequence: number | null, covered_until: Instant | null, head: string | null }
export interface Query { name: string, sql: string, saved_by: string, saved_at: Instant }

export interface Range { from: string, to: string | null }
export interface Span { from: number, to: number, live: boolean }

export interface Key { key: string, does: string, run: (event: KeyboardEvent) => void, group?: string }
export interface Page {
  /** What the tab is called; the sentence stands in h1. */
  title: string
  root: HTMLElement
  /** The address changed, the path did not. */
  refresh?: () => void
  leave?: () => void
  keys?: Key[]
}
