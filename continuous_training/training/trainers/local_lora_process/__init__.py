"""The process that trains: `python -m continuous_training.training.trainers.local_lora_process JOB.json`.

The worker starts one for each run (`local_lora`), so that memory and GPU are free again when it ends, however it does.
It needs no database and no settings: what it is to do is in the job's file, what it does it tells in JSON lines.
"""
