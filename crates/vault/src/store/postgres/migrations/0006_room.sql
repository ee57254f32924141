-- All tunnels of a replica are renewed together every few seconds. With room on its page a row's new version stays beside the old
-- one, and no index has to be told.

ALTER TABLE tunnels SET (fillfactor = 40);
