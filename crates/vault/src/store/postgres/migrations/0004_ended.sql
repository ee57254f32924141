-- Operations are forgotten by when they ended: every hour, a few thousand of however many there are.

CREATE INDEX operations_by_end ON operations (ended_at, id);
