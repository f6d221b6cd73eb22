Feature: Examples that cannot run

  Background:
    @source(name=readings, type=file, path="readings.jsonl", contract=Reading@1, idle=5s)

  Scenario: Readings
    @step(name=Kept, from=readings)
      @when value > 0
    @sink(type=blackhole)

    Examples: a column that the source does not have
      Given readings
        | sensr | value |
        | a     | 1     |
      Then Kept is empty

    Examples: a column that the output does not have
      Then Kept is
        | sensor | count |
        | a      | 1     |

    Examples: a cell that is not of its column's type
      Then Kept is
        | sensor | value | at        |
        | a      | one   | yesterday |

    Examples: too short to be idle
      When readings is idle for 3s
      Then Kept is empty

    Examples: after the end
      When the input ends
      Given readings
        | sensor | value |
        | a      | 1     |
      Then Kept is empty

    Examples: a crash after the end
      When the input ends
      And the worker crashes
      Then Kept is empty

    Examples: too many workers
      Given 1000 workers
      Then Kept is empty

    Examples: files of another kind
      Given readings from file "readings.parquet"
      Then Kept is empty

    Examples: a file that is not there
      Given readings from file "nowhere.jsonl"
      Then Kept is empty
