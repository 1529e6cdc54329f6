//! The tables, for diesel. One declaration for every backend: all whole numbers are `BigInt`, all
//! texts `Text`.

diesel::table! {
    revisions (revision) {
        revision -> BigInt,
        recorded_at -> BigInt,
        kind -> Text,
        actor -> Text,
        reason -> Nullable<Text>,
        hash -> Nullable<Text>,
        origin -> Nullable<Text>,
    }
}

diesel::table! {
    submissions (revision) {
        id -> Text,
        revision -> BigInt,
        source_kind -> Text,
        reference -> Nullable<Text>,
        created -> BigInt,
        revised -> BigInt,
        unchanged -> BigInt,
        withdrawn -> BigInt,
        findings -> Text,
        withdraws -> Nullable<Text>,
    }
}

diesel::table! {
    measures (id) {
        id -> BigInt,
        code -> Text,
        members -> Text,
        revision -> BigInt,
    }
}

diesel::table! {
    unit_numbers (number) {
        number -> BigInt,
        code -> Text,
        revision -> BigInt,
    }
}

diesel::table! {
    observations (revision, unit, measure, month) {
        revision -> BigInt,
        unit -> BigInt,
        measure -> BigInt,
        month -> BigInt,
        mantissa -> Nullable<BigInt>,
        scale -> BigInt,
    }
}

diesel::table! {
    touched_units (unit, revision) {
        unit -> BigInt,
        revision -> BigInt,
    }
}

diesel::table! {
    unit_versions (unit, revision) {
        unit -> BigInt,
        revision -> BigInt,
        document -> Text,
    }
}

diesel::table! {
    catalogue_versions (version) {
        version -> BigInt,
        revision -> BigInt,
        document -> Text,
    }
}

diesel::table! {
    closings (revision, month) {
        revision -> BigInt,
        month -> BigInt,
        closed -> BigInt,
    }
}

diesel::table! {
    declarations (revision, kind, code) {
        revision -> BigInt,
        kind -> Text,
        code -> Text,
        document -> Nullable<Text>,
    }
}

diesel::table! {
    idempotency_keys (holder, target, key) {
        holder -> Text,
        target -> Text,
        key -> Text,
        body_hash -> Text,
        recorded_at -> BigInt,
        answer -> Text,
    }
}

diesel::table! {
    key_uses (key) {
        key -> Text,
        last_used_at -> BigInt,
        address -> Nullable<Text>,
    }
}

diesel::table! {
    sessions (id) {
        id -> Text,
        sealed -> Text,
        created_at -> BigInt,
        last_used_at -> BigInt,
    }
}

diesel::table! {
    drafts (holder, code) {
        holder -> Text,
        code -> Text,
        saved_at -> BigInt,
        document -> Text,
    }
}

diesel::joinable!(submissions -> revisions (revision));
diesel::joinable!(unit_versions -> unit_numbers (unit));
diesel::allow_tables_to_appear_in_same_query!(submissions, revisions);
diesel::allow_tables_to_appear_in_same_query!(unit_versions, unit_numbers);
diesel::allow_tables_to_appear_in_same_query!(observations, touched_units);
diesel::joinable!(closings -> revisions (revision));
diesel::allow_tables_to_appear_in_same_query!(closings, revisions);
