mod ingest_world;
