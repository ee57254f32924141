-- Which replica holds the tunnel of a cluster, until when that counts, and where other replicas reach it. A tunnel that is
-- over is held until 0.

CREATE TABLE tunnels (
    connection TEXT COLLATE "C" PRIMARY KEY,
    replica    TEXT COLLATE "C" NOT NULL,
    address    TEXT NOT NULL,
    session    TEXT COLLATE "C" NOT NULL,
    held_until BIGINT NOT NULL,
    left_at    BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX tunnels_of_a_replica ON tunnels (replica);
CREATE INDEX tunnels_by_session ON tunnels (session);
