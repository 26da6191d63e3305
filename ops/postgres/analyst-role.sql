-- The role that reads: it can SELECT from the views of the mirror, those that come later too, and nothing else.
-- Run once by the PostgreSQL image, when its volume is empty, after connector-role.sql. Run it again after a change of
-- ANALYST_PASSWORD, or on a volume from before (as the image's superuser, from inside of the container):
--   docker compose exec postgres psql --username postgres --file /docker-entrypoint-initdb.d/2-analyst-role.sql mirror
-- Without a password nobody can log in as it.
\set ON_ERROR_STOP on
\getenv password ANALYST_PASSWORD
\getenv database POSTGRES_DB
SELECT 'CREATE ROLE analyst LOGIN CONNECTION LIMIT 20' WHERE to_regrole('analyst') IS NULL \gexec
ALTER ROLE analyst PASSWORD :'password';
ALTER ROLE analyst IN DATABASE :"database" SET statement_timeout = '60s';
ALTER ROLE analyst IN DATABASE :"database" SET default_transaction_read_only = on;
GRANT USAGE ON SCHEMA public TO analyst;
-- What the connector makes in public are views; its tables stand in a schema of their own.
ALTER DEFAULT PRIVILEGES FOR ROLE connector IN SCHEMA public GRANT SELECT ON TABLES TO analyst;
SELECT format('GRANT SELECT ON %s TO analyst', oid::regclass) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relowner = 'connector'::regrole AND relkind = 'v' \gexec
