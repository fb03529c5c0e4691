CREATE TABLE account (
  id SERIAL NOT NULL,
  email VARCHAR(255) NOT NULL,
  password VARCHAR(255),
  active BOOLEAN NOT NULL,
  role VARCHAR(16) NOT NULL,
  fs_uniquifier VARCHAR(64) NOT NULL,
  confirmed_at TIMESTAMP WITH TIME ZONE,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  last_login_at TIMESTAMP WITH TIME ZONE,
  tf_primary_method VARCHAR(64),
  tf_totp_secret VARCHAR(255),
  tf_phone_number VARCHAR(128),
  mf_recovery_codes TEXT,
  PRIMARY KEY (id),
  UNIQUE (email),
  UNIQUE (fs_uniquifier)
);
CREATE TABLE audit (
  id BIGSERIAL NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  user_id INTEGER,
  actor VARCHAR(255) NOT NULL,
  action VARCHAR(60) NOT NULL,
  object VARCHAR(200) NOT NULL,
  detail JSON NOT NULL,
  address VARCHAR(64) NOT NULL,
  PRIMARY KEY (id)
);
CREATE INDEX ix_audit_action ON audit (action);
CREATE INDEX ix_audit_at ON audit (at);
CREATE INDEX ix_audit_user_id ON audit (user_id);
CREATE TABLE data_folder (
  id INTEGER NOT NULL,
  token VARCHAR(64) NOT NULL,
  PRIMARY KEY (id)
);
CREATE TABLE incident (
  id VARCHAR(32) NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  ended_at TIMESTAMP WITH TIME ZONE NOT NULL,
  reported_at TIMESTAMP WITH TIME ZONE NOT NULL,
  seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
  n_reports INTEGER NOT NULL,
  is_ongoing BOOLEAN NOT NULL,
  label VARCHAR(80) NOT NULL,
  severity INTEGER NOT NULL,
  score DOUBLE PRECISION NOT NULL,
  connections BIGINT NOT NULL,
  attackers JSON NOT NULL,
  victims JSON NOT NULL,
  event JSON NOT NULL,
  state VARCHAR(10) NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (id)
);
CREATE INDEX incident_list ON incident (state, at);
CREATE INDEX ix_incident_at ON incident (at);
CREATE INDEX ix_incident_is_ongoing ON incident (is_ongoing);
CREATE INDEX ix_incident_label ON incident (label);
CREATE INDEX ix_incident_seen_at ON incident (seen_at);
CREATE TABLE setting (
  name VARCHAR(40) NOT NULL,
  value JSON NOT NULL,
  changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (name)
);
CREATE TABLE tally (
  id BIGSERIAL NOT NULL,
  hour TIMESTAMP WITH TIME ZONE NOT NULL,
  owner_id INTEGER NOT NULL,
  source VARCHAR(12) NOT NULL,
  bundle VARCHAR(120) NOT NULL,
  label VARCHAR(80) NOT NULL,
  facet VARCHAR(12) NOT NULL,
  value VARCHAR(80) NOT NULL,
  n BIGINT NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (hour, owner_id, source, bundle, label, facet, value)
);
CREATE INDEX tally_facet ON tally (facet, hour);
CREATE TABLE throttle (
  key VARCHAR(80) NOT NULL,
  failures INTEGER NOT NULL,
  first_at TIMESTAMP WITH TIME ZONE NOT NULL,
  until TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (key)
);
CREATE TABLE watch_run (
  id VARCHAR(32) NOT NULL,
  name VARCHAR(200) NOT NULL,
  host VARCHAR(100) NOT NULL,
  bundle VARCHAR(120) NOT NULL,
  begun_at TIMESTAMP WITH TIME ZONE NOT NULL,
  seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
  is_over BOOLEAN NOT NULL,
  figures JSON NOT NULL,
  recent JSON NOT NULL,
  PRIMARY KEY (id)
);
CREATE INDEX ix_watch_run_seen_at ON watch_run (seen_at);
CREATE TABLE api_token (
  id SERIAL NOT NULL,
  user_id INTEGER NOT NULL,
  name VARCHAR(80) NOT NULL,
  prefix VARCHAR(12) NOT NULL,
  token_sha256 VARCHAR(64) NOT NULL,
  scopes JSON NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
  revoked_at TIMESTAMP WITH TIME ZONE,
  used_at TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (id),
  FOREIGN KEY(user_id) REFERENCES account (id) ON DELETE CASCADE,
  UNIQUE (token_sha256)
);
CREATE INDEX ix_api_token_user_id ON api_token (user_id);
CREATE TABLE expected (
  id SERIAL NOT NULL,
  incident_id VARCHAR(32),
  user_id INTEGER,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
  rule TEXT NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(incident_id) REFERENCES incident (id) ON DELETE SET NULL,
  FOREIGN KEY(user_id) REFERENCES account (id) ON DELETE SET NULL
);
CREATE INDEX ix_expected_expires_at ON expected (expires_at);
CREATE TABLE incident_note (
  id SERIAL NOT NULL,
  incident_id VARCHAR(32) NOT NULL,
  user_id INTEGER,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(incident_id) REFERENCES incident (id) ON DELETE CASCADE,
  FOREIGN KEY(user_id) REFERENCES account (id) ON DELETE SET NULL
);
CREATE INDEX ix_incident_note_incident_id ON incident_note (incident_id);
CREATE TABLE invitation (
  id SERIAL NOT NULL,
  token_sha256 VARCHAR(64) NOT NULL,
  email VARCHAR(255) NOT NULL,
  role VARCHAR(16) NOT NULL,
  made_by INTEGER,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
  used_at TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (id),
  UNIQUE (token_sha256),
  FOREIGN KEY(made_by) REFERENCES account (id) ON DELETE SET NULL
);
CREATE TABLE job (
  id VARCHAR(32) NOT NULL,
  kind VARCHAR(20) NOT NULL,
  lane VARCHAR(20) NOT NULL,
  owner_id INTEGER,
  title VARCHAR(200) NOT NULL,
  state VARCHAR(10) NOT NULL,
  payload JSON NOT NULL,
  progress JSON NOT NULL,
  result JSON NOT NULL,
  error TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  worker VARCHAR(80) NOT NULL,
  lease_until TIMESTAMP WITH TIME ZONE,
  stop_requested BOOLEAN NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  started_at TIMESTAMP WITH TIME ZONE,
  ended_at TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (id),
  FOREIGN KEY(owner_id) REFERENCES account (id) ON DELETE SET NULL
);
CREATE INDEX ix_job_owner_id ON job (owner_id);
CREATE INDEX job_next ON job (lane, state, created_at);
CREATE TABLE record (
  id BIGSERIAL NOT NULL,
  owner_id INTEGER,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  source VARCHAR(12) NOT NULL,
  client_id VARCHAR(80),
  bundle VARCHAR(120) NOT NULL,
  label VARCHAR(80) NOT NULL,
  is_attack BOOLEAN NOT NULL,
  probability DOUBLE PRECISION NOT NULL,
  threshold DOUBLE PRECISION NOT NULL,
  service VARCHAR(80) NOT NULL,
  values JSON NOT NULL,
  view JSON NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(owner_id) REFERENCES account (id) ON DELETE SET NULL
);
CREATE INDEX ix_record_at ON record (at);
CREATE INDEX ix_record_label ON record (label);
CREATE INDEX ix_record_owner_id ON record (owner_id);
CREATE UNIQUE INDEX record_client_id ON record (owner_id, source, client_id);
CREATE TABLE web_session (
  id SERIAL NOT NULL,
  token_sha256 VARCHAR(64) NOT NULL,
  user_id INTEGER NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
  address VARCHAR(64) NOT NULL,
  agent VARCHAR(200) NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (token_sha256),
  FOREIGN KEY(user_id) REFERENCES account (id) ON DELETE CASCADE
);
CREATE INDEX ix_web_session_user_id ON web_session (user_id);
CREATE TABLE alert (
  id BIGSERIAL NOT NULL,
  owner_id INTEGER,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  record_id BIGINT,
  job_id VARCHAR(32),
  line BIGINT,
  source VARCHAR(12) NOT NULL,
  bundle VARCHAR(120) NOT NULL,
  label VARCHAR(80) NOT NULL,
  probability DOUBLE PRECISION NOT NULL,
  threshold DOUBLE PRECISION NOT NULL,
  service VARCHAR(80) NOT NULL,
  src VARCHAR(64) NOT NULL,
  values JSON NOT NULL,
  state VARCHAR(10) NOT NULL,
  judgement VARCHAR(10),
  true_label VARCHAR(80),
  judged_by INTEGER,
  judged_at TIMESTAMP WITH TIME ZONE,
  version INTEGER NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (job_id, line),
  FOREIGN KEY(owner_id) REFERENCES account (id) ON DELETE SET NULL,
  UNIQUE (record_id),
  FOREIGN KEY(record_id) REFERENCES record (id) ON DELETE SET NULL,
  FOREIGN KEY(job_id) REFERENCES job (id) ON DELETE SET NULL,
  FOREIGN KEY(judged_by) REFERENCES account (id) ON DELETE SET NULL
);
CREATE INDEX alert_list ON alert (state, at);
CREATE INDEX ix_alert_at ON alert (at);
CREATE INDEX ix_alert_job_id ON alert (job_id);
CREATE INDEX ix_alert_label ON alert (label);
CREATE INDEX ix_alert_owner_id ON alert (owner_id);
CREATE TABLE alert_note (
  id SERIAL NOT NULL,
  alert_id BIGINT NOT NULL,
  user_id INTEGER,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(alert_id) REFERENCES alert (id) ON DELETE CASCADE,
  FOREIGN KEY(user_id) REFERENCES account (id) ON DELETE SET NULL
);
CREATE INDEX ix_alert_note_alert_id ON alert_note (alert_id);
