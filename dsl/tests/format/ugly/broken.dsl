Feature: Broken
  Scenario S
      @step(name=A
      @do agregate n=count(*)   by  x
          @do set a = 'unclosed
       @when
    @step(name=B)
     @do set a = (1
          + 2
    @sink type=stdout
   | a | b
  Examples: e
     Given   nothing at  all ???
     | a |
     | b
     When I   do something
