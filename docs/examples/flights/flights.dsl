Feature: Delays at American airports
  The first week of January 2001, flight by flight.
  Owner: operations

  Background:
    @source(name=flights, type=file, path="data/flights.jsonl.gz", contract=Flight@1, lateness=15m)
    @source(name=airports, type=file, path="data/airports.csv", contract=Airport@1, key=iata)

  Scenario: Hours to stay at home
    Three hours at one airport after which seven flights of ten came in at least a quarter of an hour late.

    @step(name=Plausible)
      @then delay >= -60 otherwise reject  # nobody lands an hour early: a clock was wrong
    @step(name=BadHours)
      @do   aggregate flights = count(*),
              late = count(*) filter (where delay >= 15),
              average = round(avg(delay)),
              worst = max(delay)
              by origin
              in tumbling(3h)
              having flights >= 30 and late * 100 > flights * 70
    @step(name=Named)
      @do   join airports on airports.iata = BadHours.origin
      @do   select window_start as since, airports.city, airports.state, BadHours.origin as airport,
              flights, late, average, worst
    @sink(type=stdout)
    @sink(name=Rejected, type=file, path="out/rejected.jsonl", from=rejected)

    Examples: a snowy evening in Boston
      Given flights from file "examples/boston-evening.jsonl"
      When the watermark of flights reaches 2001-01-05T21:00:00Z
      Then BadHours is
        | origin | flights | late | average | worst |
        | BOS    | 55      | 47   | 67      | 253   |
      And rejected is empty

    Examples: an arrival more than an hour early is not believed
      Given flights
        | date                 | delay | distance | origin | destination |
        | 2001-01-01T07:47:00Z | -62   | 2689     | BOS    | SJC         |
        | 2001-01-01T07:48:00Z | -60   | 2689     | BOS    | SJC         |
      Then Plausible is
        | delay |
        | -60   |
      And rejected contains
        | reason      | step      |
        | expectation | Plausible |
