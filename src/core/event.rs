//! The unified event: one gateway request, one row, the same columns whatever the gateway.
//!
//! The list below is the only place where a column is named; the Arrow schema, the row that decoders
//! fill, the builder and `schemas/event.json` follow from it. Text columns hold no empty strings: "none" is
//! null, and reads as `""` through [`Events::text`]. Instants are UTC microseconds.

mod builder;

use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int16Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;

pub use builder::{DictColumn, IntColumn, Interner, ListColumn, LongColumn, ShortColumn, TextColumn, TimeColumn};

/// How a column is held in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Text that repeats (dictionary).
    Dict,
    /// Text that seldom repeats.
    Text,
    Short,
    Int,
    Long,
    /// UTC microseconds.
    Time,
    /// A short list of repeating texts.
    List,
}

impl ColumnKind {
    #[must_use]
    pub fn arrow_type(self) -> DataType {
        match self {
            Self::Dict => builder::dict_type(),
            Self::Text => DataType::Utf8,
            Self::Short => DataType::Int16,
            Self::Int => DataType::Int32,
            Self::Long => DataType::Int64,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::List => DataType::List(builder::list_item()),
        }
    }
}

/// The room that adds a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Decoded,
    Identified,
    Classified,
}

macro_rules! row_type {
    (Dict $a:lifetime) => { &$a str };
    (Text $a:lifetime) => { &$a str };
    (Short $a:lifetime) => { Option<i16> };
    (Int $a:lifetime) => { Option<i32> };
    (Long $a:lifetime) => { Option<i64> };
    (Time $a:lifetime) => { Option<i64> };
}

macro_rules! builder_type {
    (Dict) => {
        DictColumn
    };
    (Text) => {
        TextColumn
    };
    (Short) => {
        ShortColumn
    };
    (Int) => {
        IntColumn
    };
    (Long) => {
        LongColumn
    };
    (Time) => {
        TimeColumn
    };
}

macro_rules! columns {
    (
        decoded { $($decoded:ident $dfield:ident $dkind:ident $ddoc:literal;)* }
        later { $($stage:ident $later:ident $lfield:ident $lkind:ident $ldoc:literal;)* }
    ) => {
        /// Every column of the event table, in order.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Column { $($decoded,)* $($later,)* }

        impl Column {
            pub const ALL: &'static [Self] = &[$(Self::$decoded,)* $(Self::$later,)*];

            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$decoded => stringify!($dfield),)* $(Self::$later => stringify!($lfield),)* }
            }

            /// What the column means, with its unit.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$decoded => $ddoc,)* $(Self::$later => $ldoc,)* }
            }

            #[must_use]
            pub const fn kind(self) -> ColumnKind {
                match self { $(Self::$decoded => ColumnKind::$dkind,)* $(Self::$later => ColumnKind::$lkind,)* }
            }

            #[must_use]
            pub const fn stage(self) -> Stage {
                match self { $(Self::$decoded => Stage::Decoded,)* $(Self::$later => Stage::$stage,)* }
            }
        }

        /// What a decoder fills in, borrowed from the frame. Empty text and `None` mean "not in the log".
        #[derive(Clone, Debug, Default)]
        pub struct Row<'a> { $(#[doc = $ddoc] pub $dfield: row_type!($dkind 'a),)* }

        /// Collects rows into the columns of [`Stage::Decoded`].
        #[derive(Debug, Default)]
        pub struct EventBuilder { rows: usize, $($dfield: builder_type!($dkind),)* }

        impl EventBuilder {
            /// Makes room for `rows` more.
            pub fn reserve(&mut self, rows: usize) {
                $(self.$dfield.reserve(rows);)*
            }

            pub fn push(&mut self, row: &Row<'_>) {
                self.rows += 1;
                $(self.$dfield.push(row.$dfield);)*
            }

            /// The rows so far as a batch; the builder is empty and ready again.
            pub fn finish(&mut self) -> Events {
                self.rows = 0;
                let columns: Vec<ArrayRef> = vec![$(self.$dfield.finish(),)*];
                Events::of(columns)
            }
        }
    };
}

columns! {
    decoded {
        Topic topic Dict "Kafka topic; of a replayed file its name, `#` and a hash of its first line";
        Partition partition Int "Kafka partition; 0 for files";
        Offset offset Long "Kafka offset, or line number from 0";
        Part part Int "position of the event in its frame, from 0: one frame may hold several requests";
        Format format Dict "log format the frame was read as";
        Gateway gateway Dict "gateway instance or host that wrote the line";
        EventAt event_at Time "when the request arrived at the gateway, UTC";
        IngestedAt ingested_at Time "when the frame was read by Claviger, UTC";
        RequestId request_id Text "request id given by gateway or caller";
        TraceId trace_id Text "trace id (W3C traceparent or the gateway's own)";
        Method method Dict "HTTP method";
        Host host Dict "host asked for";
        Path path Text "path without query, key-shaped segments masked";
        Route route Dict "the gateway's route id or template";
        Service service Dict "the gateway's service or API id";
        Status status Short "HTTP status sent to the caller";
        UpstreamStatus upstream_status Short "HTTP status of the application; null when it was never asked";
        LatencyUs latency_us Long "whole request, microseconds";
        UpstreamLatencyUs upstream_latency_us Long "time in the application, microseconds";
        GatewayLatencyUs gateway_latency_us Long "time in the gateway, microseconds";
        RequestBytes request_bytes Long "request size, bytes";
        ResponseBytes response_bytes Long "response size, bytes";
        ClientAddress client_address Dict "caller's IP address as the gateway saw it";
        ClientNetwork client_network Dict "the address's /24 (IPv4) or /56 (IPv6)";
        ClientCountry client_country Dict "country of the caller's network, ISO 3166 alpha-2; null where no database says";
        ClientProvider client_provider Dict "who runs the caller's network, as AS number and name; null where no database says";
        ClientRelay client_relay Dict "hosting, vpn or proxy, where the caller's network is listed as one";
        ClientPlace client_place Dict "latitude and longitude of the caller's network in degrees and the radius around them in kilometres, with commas between";
        UserAgent user_agent Dict "caller's user agent";
        Region region Dict "region of the gateway or of the data asked for";
        CredentialKind credential_kind Dict "api_key, bearer, jwt, basic, signature, redacted; null when none was sent";
        CredentialPlace credential_place Dict "where the credential stood, e.g. header:x-api-key";
        Credentials credentials Short "number of differing credentials that were presented";
        Fingerprint fingerprint Dict "keyed hash of the credential: first 16 bytes of HMAC-SHA-256, hex";
        CredentialMask credential_mask Dict "credential with all but prefix and last four characters masked";
        CredentialPrefix credential_prefix Dict "issuer prefix of the credential, if it has one";
        Consumer consumer Dict "identity that the gateway itself named";
        GatewayCode gateway_code Dict "the gateway's error code or flag";
        GatewayMessage gateway_message Dict "the gateway's message, secrets masked";
        AiProvider ai_provider Dict "AI provider behind the route";
        AiModel ai_model Dict "AI model asked for";
        InputTokens input_tokens Long "prompt tokens";
        OutputTokens output_tokens Long "generated tokens";
        CostMicros cost_micros Long "cost in millionths of the billing currency";
        TenantAsked tenant_asked Dict "tenant whose resources the request names";
    }
    later {
        Identified KeyId key_id Dict "key in the identity directory";
        Identified PrincipalId principal_id Dict "principal behind the key";
        Identified PrincipalKind principal_kind Dict "human, service or federated";
        Identified TenantId tenant_id Dict "tenant of the key or principal";
        Identified Environment environment Dict "environment of the key";
        Identified NearMiss near_miss Dict "how the credential differs from a known key: trimmed_space, quoted, doubled_scheme, case, truncated, one_edit, masked";
        Identified DirectoryVersion directory_version Dict "version of the identity directory used";
        Classified DeniedBy denied_by Dict "who said no: gateway, authorizer, application, limiter, firewall; null when served";
        Classified Cause cause Dict "root cause of the refusal, or verdict on a served request that should have been refused";
        Classified CauseClass cause_class Dict "group of the cause";
        Classified Confidence confidence Dict "certain, likely or possible";
        Classified Alternatives alternatives List "further causes that fit, best first";
        Classified Contradiction contradiction Dict "how the witnesses disagree; null when they agree";
        Classified Evidence evidence List "facts used, as name=value";
        Classified MissingField missing_field Dict "log or identity field that would have decided";
        Classified Remedy remedy Dict "what to do, in one sentence";
        Classified RevocationLagUs revocation_lag_us Long "zombie access: from the state change to this served request, microseconds";
    }
}

/// Rows in the unified event schema, with the columns of all rooms passed so far.
#[derive(Clone, Debug)]
pub struct Events(RecordBatch);

impl Events {
    /// `columns` in [`Column::ALL`] order, a prefix of it.
    fn of(columns: Vec<ArrayRef>) -> Self {
        let fields = SCHEMA.fields().iter().take(columns.len()).cloned().collect::<Vec<_>>();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
            .expect("builders make the types that the schema names");
        Self(batch)
    }

    /// Rows that were taken out of other events: a filter, a slice.
    #[must_use]
    pub fn of_batch(batch: RecordBatch) -> Self {
        debug_assert!(batch.schema().fields().iter().zip(SCHEMA.fields()).all(|(a, b)| a.data_type() == b.data_type()));
        Self(batch)
    }

    /// Rows read back from the lake, of whatever types an engine holds them in.
    ///
    /// # Errors
    /// When a column is missing, or of a type that cannot become the schema's.
    pub fn of_stored(batch: &RecordBatch) -> Result<Self, ArrowError> {
        let columns = Column::ALL.iter().map(|column| {
            let found = batch.column_by_name(column.name());
            let found = found.ok_or_else(|| ArrowError::SchemaError(format!("no column `{}`", column.name())))?;
            cast(found, &column.kind().arrow_type())
        });
        Ok(Self::of(columns.collect::<Result<_, _>>()?))
    }

    /// Rows read back from the lake of which only some columns were read, in the types of the schema; the others are null.
    ///
    /// # Errors
    /// When a column is of another type than the schema's.
    pub fn of_some(batch: &RecordBatch) -> Result<Self, ArrowError> {
        let (mut fields, mut columns) = (Vec::new(), Vec::new());
        for field in SCHEMA.fields() {
            columns.push(match batch.column_by_name(field.name()) {
                Some(found) => cast(found, field.data_type())?,
                None => new_null_array(field.data_type(), batch.num_rows()),
            });
            fields.push(field.as_ref().clone().with_nullable(true));
        }
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map(Self)
    }

    /// The schema of a fully classified batch.
    #[must_use]
    pub fn schema() -> SchemaRef {
        Arc::clone(&SCHEMA)
    }

    #[must_use]
    pub fn batch(&self) -> &RecordBatch {
        &self.0
    }

    #[must_use]
    pub fn into_batch(self) -> RecordBatch {
        self.0
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.num_rows()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same rows with the next columns, in [`Column::ALL`] order.
    #[must_use]
    pub fn with(self, added: Vec<ArrayRef>) -> Self {
        let mut columns = self.0.columns().to_vec();
        columns.extend(added);
        Self::of(columns)
    }

    /// The same rows with one column replaced.
    #[must_use]
    pub fn replacing(self, column: Column, values: ArrayRef) -> Self {
        let mut columns = self.0.columns().to_vec();
        columns[column as usize] = values;
        Self::of(columns)
    }

    /// A dictionary text column.
    ///
    /// # Panics
    /// When the column is of another kind, or of a room not yet passed.
    #[must_use]
    pub fn dict(&self, column: Column) -> Dict<'_> {
        let array = self.0.column(column as usize).as_dictionary::<Int32Type>();
        Dict { array, codes: array.keys(), values: array.values().as_string() }
    }

    #[must_use]
    pub fn text(&self, column: Column) -> &StringArray {
        self.0.column(column as usize).as_string()
    }

    #[must_use]
    pub fn short(&self, column: Column) -> &Int16Array {
        self.0.column(column as usize).as_primitive()
    }

    #[must_use]
    pub fn int(&self, column: Column) -> &Int32Array {
        self.0.column(column as usize).as_primitive()
    }

    #[must_use]
    pub fn long(&self, column: Column) -> &Int64Array {
        self.0.column(column as usize).as_primitive()
    }

    #[must_use]
    pub fn time(&self, column: Column) -> &TimestampMicrosecondArray {
        self.0.column(column as usize).as_primitive::<TimestampMicrosecondType>()
    }
}

impl Events {
    /// The texts of a list column's row.
    ///
    /// # Panics
    /// When the column is of another kind, or of a room not yet passed.
    pub fn list(&self, column: Column, row: usize) -> impl Iterator<Item = &str> + '_ {
        let lists = self.0.column(column as usize).as_list::<i32>();
        let items = lists.values().as_dictionary::<Int32Type>();
        let (texts, offsets) = (items.values().as_string::<i32>(), lists.value_offsets());
        let range = usize::try_from(offsets[row]).unwrap_or(0)..usize::try_from(offsets[row + 1]).unwrap_or(0);
        range.filter_map(move |at| items.key(at)).map(move |code| texts.value(code))
    }
}

/// A dictionary column: a value by row, or work done once a distinct value.
#[derive(Clone, Copy, Debug)]
pub struct Dict<'a> {
    array: &'a DictionaryArray<Int32Type>,
    codes: &'a Int32Array,
    values: &'a StringArray,
}

impl<'a> Dict<'a> {
    /// The text of a row; empty where there is none.
    #[must_use]
    pub fn get(&self, row: usize) -> &'a str {
        self.code(row).map_or("", |code| self.values.value(code))
    }

    /// The row's index into [`Dict::values`].
    #[must_use]
    pub fn code(&self, row: usize) -> Option<usize> {
        self.codes.is_valid(row).then(|| usize::try_from(self.codes.value(row)).unwrap_or(0))
    }

    /// Distinct texts.
    #[must_use]
    pub fn values(&self) -> &'a StringArray {
        self.values
    }

    /// The text of a code.
    #[must_use]
    pub fn value(&self, code: usize) -> &'a str {
        self.values.value(code)
    }

    #[must_use]
    pub fn values_len(&self) -> usize {
        self.values.len()
    }

    #[must_use]
    pub fn array(&self) -> &'a DictionaryArray<Int32Type> {
        self.array
    }
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let fields = Column::ALL.iter().map(|column| {
        let nullable = !matches!(
            column,
            Column::Topic | Column::Partition | Column::Offset | Column::Part | Column::EventAt | Column::IngestedAt
        );
        Field::new(column.name(), column.kind().arrow_type(), nullable)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
});
