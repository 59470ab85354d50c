"""The Dags that `test_airflow_real.py` needs: put this file into the `dags` folder of the Airflow that `AIRFLOW_TEST` names."""

from airflow.sdk import DAG, Asset, Param

nightly = DAG("nightly", schedule=None, is_paused_upon_creation=True, params={"size": Param(0, type="integer")})
fed = DAG("fed", schedule=[Asset(name="incoming", uri="s3://uploads/incoming")], is_paused_upon_creation=True)
