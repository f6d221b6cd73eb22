Feature: Found
  Scenario: Schemas that nobody wrote down
    @source(name=found, type=file, path="found.parquet", format=parquet, time=seen_at)
    @source(name=ticks, type=tick, rate=10, count=1000)

    @step(name=Values, from=found)
      @do aggregate mean = avg(value) by id emit on close
    @step(name=Even, from=ticks)
      @when n % 2 = 0
      @do aggregate n = count(*) in tumbling(1s)
    @sink(type=stdout, from=Values)
    @sink(type=stdout, from=Even)
