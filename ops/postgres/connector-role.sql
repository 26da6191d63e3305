-- Run once by the PostgreSQL image, when its volume is empty: the connector's role owns its database and
-- is no superuser. The password that the image needs for its superuser becomes that of the connector, and
-- the superuser keeps none: it logs in from inside of the container only (docker compose exec postgres psql
-- --username postgres mirror).
\set ON_ERROR_STOP on
\getenv password POSTGRES_PASSWORD
\getenv database POSTGRES_DB
CREATE ROLE connector LOGIN PASSWORD :'password';
ALTER DATABASE :"database" OWNER TO connector;
ALTER ROLE CURRENT_USER PASSWORD NULL;
