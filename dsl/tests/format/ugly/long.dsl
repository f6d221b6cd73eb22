Feature: A long one
  Scenario: First
    @source(name=a, type=file, path="a.csv")
    @step(name=One)
      @do aggregate n = count(*),
                  m = max(x)
                by a,
              b
        in hopping(1h,every 10m)   offset 5m
          on   processing   time
        emit every 1m
             and on close
            allowed lateness 1h
    @step(name=Two)



      @do keep a > 1
    Examples: first
      Given a
        |x|
      Then One is empty
    Examples: second
      Given a from file "a.csv"
  Scenario: Second
    @step(name=X)
      @do drop a
Contract: C version 1
  | field | type |
  | a | int |
