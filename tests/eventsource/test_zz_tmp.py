import gc
async def test_a(): gc.collect()
async def test_b(): gc.collect()
