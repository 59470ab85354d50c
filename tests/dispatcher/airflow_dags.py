"""The Dags that `test_airflow_real.py` needs: put this file into the `dags` folder of the Airflow that `AIRFLOW_TEST` names."""

from airflow.sdk import DAG, Asset, Param

DAG("nightly", schedule=None, is_paused_upon_creation=True, params={"size": Param(0, type="integer")})
DAG("fed", schedule=[Asset("s3://uploads/incoming", name="incoming")], is_paused_upon_creation=True)
