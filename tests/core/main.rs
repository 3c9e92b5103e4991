
mod ingest_world;
